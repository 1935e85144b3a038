"""Every command that a page of documentation shows would be accepted: it is parsed and checked, and nothing is run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.checking import check_files
from app.checking.files import load
from app.checking.words import parse
from app.cli import parser

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "bundles/*/docs/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
OURS = re.compile(r"\bfrugal [a-z]|-m monai\.bundle run|\bmake [a-z]|python -m (app|benchmarks)\b")
PLACES = ("datalist", "dataset_dir", "output_dir", "prepared_dir", "checkpoint", "start_from", "lung_weights")
"""Settings that name files of the reader's."""
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
    yield from (line for line in joined.splitlines() if line and not line.startswith("#"))


def commands() -> Iterator[tuple[str, list[str]]]:
    """Page and words of each command of ours."""
    for page in PAGES:
        for line in lines_of(page.read_text()):
            if OURS.search(line):
                yield str(page.relative_to(ROOT)), shlex.split(line, comments=True)


ALL = list(commands())
FRUGAL = [(page, words[words.index("frugal") + 1 :]) for page, words in ALL if "frugal" in words]
BUNDLE = [
    (page, words[words.index("run", words.index("monai.bundle")) + 1 :])
    for page, words in ALL
    if "monai.bundle" in words
]


def named(case: tuple[str, list[str]]) -> str:
    return f"{case[0]}: {' '.join(case[1])}"[:90]


def test_commands_are_found_on_the_pages():
    # Counted by hand on the README: two of make, nine of the example in steps 1 to 6 but for mlflow ui.
    found = [words for page, words in ALL if page == "README.md"]
    assert sum(words[0] == "make" for words in found) == 2
    assert sum(words[0] == "frugal" for words in found) == 4
    assert sum("monai.bundle" in words for words in found) == 4


@pytest.mark.parametrize("case", FRUGAL, ids=named)
def test_frugal_takes_its_command(case, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    # Words in capitals stand for a number as well as for a name.
    words = [re.sub(r"^[A-Z]$", "1", word) for word in case[1]]
    try:
        arguments = parser().parse_args(words)
    except SystemExit as error:
        assert error.code in (0, None), capsys.readouterr().err
        return
    if words[0] == "check":
        require_fine([arguments.config, *arguments.words])


@pytest.mark.parametrize("case", BUNDLE, ids=named)
def test_a_bundle_takes_its_command(case, monkeypatch):
    monkeypatch.chdir(ROOT)
    require_fine(case[1])


def require_fine(words: list[str]) -> None:
    """Config files are there, every override is a setting, and the check finds nothing but the reader's files missing."""
    given = parse(words, flags=("trust",))
    files = given.options.get("config_file", given.files[-1:])
    files = files if isinstance(files, list) else [files]
    run_id = next((word for word in given.files if not word.endswith((".yaml", ".json"))), None)
    options = {name: value for name, value in given.options.items() if name not in (*OF_RUN, "trust", "run_id")}
    known = load(files, {}).config
    missing = [name for name in options if re.split("#|::", name)[0] not in known]
    assert not missing, f"no such setting: {missing}"
    options = {name: value for name, value in options.items() if name not in PLACES}
    report = check_files(files, options, run_id, bool(given.options.get("trust")))
    # By hand: what is told of the places that were just left out.
    expected = "no such folder of radiographs|name the weights to evaluate"
    assert not [problem for problem in report.problems if not re.search(expected, problem.text)]
