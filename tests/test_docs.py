"""Every command that a page of documentation shows would be accepted: it is parsed and checked, and nothing is run.

Those that ``tests/docs/test_runs.py`` runs are left to it.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.archive.arguments import read_place
from app.checking import check_files
from app.checking.files import load
from app.checking.structure import OF_LAUNCH, OF_RESULTS
from app.cli import parser
from app.commands.datalist import DATA_SETS
from app.installed import bundle_names, find_config, find_study
from app.sweeps.study_file import read_sweep
from app.workflows.words import config_files, files_and_overrides, read_words
from tests.docs.pages import PAGES, ROOT, blocks, without_runs

OURS = re.compile(r"\bfrugal [a-z]|-m monai\.bundle run|\bmake [a-z]|python -m (app|benchmarks)\b")
FILES = re.compile(r"[\w./-]+\.(?:yaml|py)\b|\b(?:docs|bundles|benchmarks|tests)/[\w./-]+")
"""Files that only the repository or the page itself can hold, not the reader's data."""
PLACES = ("datalist", "dataset_dir", "output_dir", "prepared_dir", "checkpoint", "start_from", "lung_weights")
"""Settings that name files of the reader's."""
WORKFLOWS = {"train": "training", "prepare": "training", "evaluate": "evaluating", "predict": "run"}
"""The workflow that each command runs."""
OF_RUN = ("init_id", "final_id", "meta_file", "logging_file", "tracking", "config_file")


def lines_of(text: str) -> Iterator[str]:
    """Lines of code blocks, fenced or indented, with continued ones joined and comments and prompts left out."""
    fenced, block = False, []
    for line in [*text.splitlines(), ""]:
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        block += [line.strip()] if fenced or re.match(r" {4,}\S", line) else [""]
    joined = re.sub(r"\\\n", " ", "\n".join(block))
    joined = re.sub(r"\$\(frugal bundle path (\w+)\)", r"bundles/\1", joined)
    yield from (line for line in joined.splitlines() if line and not line.startswith("#"))


def head_of(text: str) -> str:
    """The comment at the beginning of a config, as a block of code."""
    comment = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    return "\n".join(f" {line[1:]}" if line.startswith("#   ") else "" for line in comment)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Page, or config, and words of each command of ours."""
    texts = {page: without_runs(page) for page in PAGES}
    texts |= {config: head_of(config.read_text()) for config in sorted(ROOT.glob("bundles/*/configs/*.yaml"))}
    for page, text in texts.items():
        for line in lines_of(text):
            if OURS.search(line):
                yield str(page.relative_to(ROOT)), shlex.split(line, comments=True)


ALL = list(commands())
FRUGAL = [(page, words[words.index("frugal") + 1 :]) for page, words in ALL if "frugal" in words]
BUNDLE = [
    (page, words[words.index("run", words.index("monai.bundle")) + 1 :])
    for page, words in ALL
    if "monai.bundle" in words
]


OTHERS = [(page, words) for page, words in ALL if words[0] == "make" or words[:2] == ["python", "-m"]]


def named(case: tuple[str, list[str]]) -> str:
    return f"{case[0]}: {' '.join(case[1])}"[:90]


def test_commands_are_found_on_the_pages():
    # Counted by hand: make on the README, training and evaluating in the comment at a config's head, and on a page.
    assert sum(words[0] == "make" for page, words in ALL if page == "README.md") == 2
    assert sum("nodule_detection/configs/train.yaml" in page for page, _ in ALL) == 2
    assert sum("monai.bundle" in words for page, words in ALL if page == "docs/training.md") >= 3


@pytest.mark.parametrize("case", FRUGAL, ids=named)
def test_frugal_takes_its_command(case, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    # Words in capitals stand for a number as well as for a name.
    words = [re.sub(r"^[A-Z]$", "1", word) for word in case[1]]
    if "--help" in words:
        assert help_of(words, capsys)
        return
    arguments = parser().parse_args(words)  # a wrong one exits
    if words[0] == "check":
        typed = [arguments.config, *arguments.words]
        configs, _ = files_and_overrides(typed, flags=("trust",))
        require_fine([str(find_config(word)) if word in configs else word for word in typed])
    if words[0] == "study" and "/" in words[1]:
        read_sweep(find_study(words[1]))
    if words[0] in WORKFLOWS:
        require_workflow(words[0], arguments)


@pytest.mark.parametrize("case", BUNDLE, ids=named)
def test_a_bundle_takes_its_command(case, monkeypatch):
    monkeypatch.chdir(ROOT)
    require_fine(case[1])


@pytest.mark.parametrize("case", OTHERS, ids=named)
def test_make_and_python_know_what_they_are_given(case):
    _, words = case
    if words[0] == "make":
        assert f"\n{words[1]}: " in (ROOT / "Makefile").read_text()
    else:
        assert importlib.util.find_spec(words[2]) is not None


def test_the_studies_that_are_shown_can_be_run(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/studies.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    shown = [block for block in blocks if re.search("^name:", block, flags=re.MULTILINE)]
    for block in shown:
        (tmp_path / "study.yaml").write_text(block)
        assert read_sweep(tmp_path / "study.yaml").cells
    assert len(shown) == 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_configs_studies_and_programs_that_commands_name_are_there(page):
    """In the repository, written on the page, or made by a command before; words in capitals are the reader's."""
    known = {block.file for block in blocks(page)}
    for line in lines_of(page.read_text()):
        if not OURS.search(line):
            continue
        words = shlex.split(line, comments=True)
        known.update(words[place + 1] for place, word in enumerate(words) if word == "--out")
        for name in FILES.findall(" ".join(words)):
            assert name in known or (ROOT / name).exists() or Path(name).stem.isupper(), line


def require_workflow(command: str, arguments: argparse.Namespace) -> None:
    """Its overrides are settings of the bundle; for weights, which the reader has, of one bundle."""
    if command in ("prepare", "predict"):
        read_place(arguments)
    words, run_id = read_words(arguments), WORKFLOWS[command]
    bundle = arguments.bundle if command in ("train", "prepare") else "nodule_detection"
    if bundle not in bundle_names():
        return
    first = find_config(f"{bundle}/inference") if command == "predict" else find_config(bundle)
    files = [str(path) for path in config_files(str(first), *words.further)]
    overrides = [word for name, value in words.overrides.items() for word in (f"--{name}", str(value))]
    require_fine([run_id, "--config_file", str(files), *overrides])


def require_fine(words: list[str]) -> None:
    """Config files are there, overrides are settings, and the check misses nothing but the reader's own files."""
    others, options = files_and_overrides(words, flags=("trust",))
    files = options.get("config_file", others)
    files = files if isinstance(files, list) else [files]
    run_id = next((word for word in others if not word.endswith((".yaml", ".json"))), None)
    trust = bool(options.get("trust"))
    options = {name: value for name, value in options.items() if name not in (*OF_RUN, "trust", "run_id")}
    known = {*load(files, {}).config, *OF_LAUNCH, *OF_RESULTS}
    missing = [name for name in options if re.split("#|::", name)[0] not in known]
    assert not missing, f"no such setting: {missing}"
    options = {name: value for name, value in options.items() if name not in PLACES}
    report = check_files(files, options, run_id, trust)
    # By hand: what is told of the places that were just left out.
    expected = "no such folder of radiographs|name the weights to evaluate"
    assert not [problem for problem in report.problems if not re.search(expected, problem.text)]


def help_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The help of the command that words begin with; of all data sets, where they are of one but name none."""
    names = list(itertools.takewhile(re.compile(r"[a-z][\w-]*").fullmatch, words))
    chosen = [names[:2]] if names[0] in ("datalist", "power") and len(names) > 1 else [names[:1]]
    if names == ["datalist"]:
        chosen = [["datalist", name] for name in (*DATA_SETS, "show")]
    for command in chosen:
        with pytest.raises(SystemExit) as ended:
            parser().parse_args([*command, "--help"])
        assert ended.value.code == 0, f"no such command: {command}"
    return capsys.readouterr().out


def inline() -> Iterator[tuple[str, list[str]]]:
    """Page and words of each command of frugal that stands in a sentence."""
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for span in re.findall(r"`frugal ([a-z][^`]*)`", text):
            yield str(page.relative_to(ROOT)), span.split()


@pytest.mark.parametrize("case", inline(), ids=named)
def test_commands_in_sentences_have_their_options(case, capsys):
    known = set(re.findall(r"--[\w-]+", help_of(case[1], capsys)))
    options = set(re.findall(r"--[\w-]+", " ".join(case[1])))
    assert options <= known or case[1][0] == "check"


def anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        name, _, wanted = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if wanted:
            assert wanted in map(anchor, re.findall(r"^#+ (.*)$", target.read_text(), flags=re.MULTILINE)), link
