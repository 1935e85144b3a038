"""YAML and JSON from users: bombs, cycles and deep nesting are refused at once by whatever reads the file."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from app.checking import CheckError, check_files, require_good
from app.checking.documents import DEEPEST, MOST_CHARACTERS, MOST_VALUES, DocumentError, read_document
from app.comparing.run_files import plain_settings
from app.sweeps.study_file import read_sweep

SECONDS = 2.0  # of one loaded core; a quiet one takes half of it


def bomb(levels: int, width: int) -> str:
    """Each line stands for ``width`` times as many values as the line before it."""
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


HOSTILE = {
    "bomb": (bomb(9, 9), "holds more than"),
    "bomb of mappings": (
        "a0: &a0 {x: 1, y: 2}\n" + "".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}\n" for n in range(1, 25)),
        "holds more than",
    ),
    "a mapping that holds itself": ("a: &a {b: *a}\n", "contains itself"),
    "a list that holds itself": ("a: &a [1, *a]\n", "contains itself"),
    "two that hold each other": ("a: &a {b: &b {c: *a}}\nd: *b\n", "contains itself"),
    "deep": ("a: " + "[" * 2000 + "]" * 2000, "nests more than"),
    "deep mappings": ("a: " + "{a: " * 2000 + "}" * 2000, "nests more than"),
    "deep by aliases": (
        "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 1000)),
        "nests more than",
    ),
    "deep by lines": ("\n".join(f"{' ' * n}a:" for n in range(200)), "nests more than"),
    "deep sequences": ("a:\n" + "- " * 2000 + "x\n", "nests more than"),
    "deep keys": ("? " * 2000 + "x\n", "nests more than"),
    "long": ("a: " + "x" * MOST_CHARACTERS, "is longer than"),
    "many": (f"a: [{'1,' * (MOST_VALUES + 1)}]", "holds more than"),
    "twice": ("a: 1\nb: 2\na: 3\n", r"the key 'a' is given twice \(line 3\)"),
    "twice by value": ("a: {1: x, 1.0: y}\n", r"the key 1.0 is given twice \(line 1\)"),
    "merged": ("a: &a {b: 1}\nc: {<<: *a}\n", r"merge keys \('<<', line 2\)"),
    "object": ("a: !!python/object/apply:os.system [touch executed]\n", "cannot be parsed"),
    "no timestamp": ("a: !!timestamp x\n", "cannot be parsed"),
    "no boolean": ("a: !!bool x\n", "cannot be parsed"),
    "no number": ("a: !!int ''\n", "cannot be parsed"),
    "number of many digits": (f"a: {'9' * 5000}\n", "cannot be parsed"),
    "list as a key": ("? [1]\n: 2\n", "cannot be parsed"),
    "two documents": ("a: 1\n---\na: 2\n", "cannot be parsed"),
    "tab": ("a:\n\tb: 1\n", "cannot be parsed"),
}


@pytest.mark.parametrize(("text", "message"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("reader", ["config", "study", "a run's settings"])
def test_hostile_files_are_refused_in_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, text: str, message: str
):
    monkeypatch.chdir(tmp_path)
    file = Path("hostile.yaml")
    file.write_text(text)
    read = {
        "config": lambda: check_files([file]),
        "study": lambda: read_sweep(file),
        "a run's settings": lambda: plain_settings(file),
    }
    begun = time.process_time()
    with pytest.raises((CheckError, ValueError), match=rf"^hostile.yaml: .*{message}"):
        read[reader]()
    assert time.process_time() - begun < SECONDS
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' is given twice in one object"),
        ('{"a": ' + "[" * 5000 + "]" * 5000 + "}", "nests more than"),
        ('{"a": ' + "[" * 100 + "]" * 100 + "}", "nests more than"),
        ('{"a": [1,', "cannot be parsed"),
    ],
)
def test_hostile_json_is_refused(tmp_path: Path, text: str, message: str):
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(CheckError, match=message):
        check_files([file])


def test_a_pipe_is_refused_without_waiting(tmp_path: Path):
    os.mkfifo(tmp_path / "x.yaml")
    with pytest.raises(DocumentError, match=r"x.yaml: cannot be read \(not a file\)"):
        read_document(tmp_path / "x.yaml")


def test_ordinary_files_are_read_as_monai_reads_them(tmp_path: Path):
    # Expected: PyYAML's own safe loader, from which MONAI derives its loader.
    text = "a: &a [1, yes, 1.0e-3, 1e-3, ~, 'x', 0x10, 1_000, 12:30]\nb: *a\nc: {d: 2025-01-01, 3: |-\n  x\n  y}\n"
    file = tmp_path / "x.yaml"
    file.write_text(text.replace("{d: 2025-01-01, 3: |-\n  x\n  y}", "{d: 2025-01-01, 3: [x]}"))
    for fast in (False, True):
        assert read_document(file, fast) == yaml.safe_load(file.read_text())
    nested: object = 1
    for _ in range(DEEPEST - 1):
        nested = [nested]
    (tmp_path / "x.json").write_text(json.dumps({"a": nested}))
    assert read_document(tmp_path / "x.json") == {"a": nested}


# MONAI refuses them, too: "detected circular references".
@pytest.mark.parametrize(
    ("text", "circle"),
    [
        ('seed: "@seed"\n', "seed -> seed"),
        ('seed: "@max_epochs"\nmax_epochs: "@seed"\n', "max_epochs -> seed -> max_epochs"),
        ('phantoms: {count: "@phantoms"}\n', "phantoms -> phantoms"),
        ('seed: "$@max_epochs + 1"\nmax_epochs: "$@seed - 1"\n', "max_epochs -> seed -> max_epochs"),
    ],
)
def test_circular_references_are_found(write: Callable[..., Path], bundles: Path, text: str, circle: str):
    (bundles / "circle.yaml").write_text(text)
    begun = time.process_time()
    found = [str(each) for each in check_files([write(), Path("circle.yaml")]).problems]
    assert time.process_time() - begun < SECONDS
    assert [line for line in found if line.endswith(f"refers to itself: {circle}.")], found


# (text, part of the message); each would take minutes if hints were computed, or sources read, for every value.
CROWDS = {
    "unknown settings": ("\n".join(f"setting{n:05}: 1" for n in range(2000)), "more than 100 problems"),
    "references to nothing": (
        "phantoms: [" + ", ".join(f'"@nothing{n:04}"' for n in range(2000)) + "]",
        "more than 100 problems",
    ),
    "targets that there are not": (
        "phantoms: [" + ", ".join(f"{{_target_: Missing{n:02}d}}" for n in range(90)) + "]",
        "more than 100 problems",
    ),
    "expressions": ("phantoms: [" + ", ".join(f"$x{n}" for n in range(4000)) + "]", "more than 100 problems"),
    "digits": (f"output_dir: '{'1' * 39_000}'", "no file system allows the name"),
    "long names": (f"datalist: '{'1' * 300}'", "no file system allows the name"),
    "null byte": ('datalist: "x\\0"', "no file system allows the name"),
}


@pytest.mark.parametrize(("text", "message"), CROWDS.values(), ids=CROWDS)
def test_thousands_of_problems_are_reported_in_seconds(
    write: Callable[..., Path], tmp_path: Path, text: str, message: str
):
    (tmp_path / "crowd.yaml").write_text(text)
    begun = time.process_time()
    with pytest.raises(CheckError, match=message):
        require_good(check_files([write(), tmp_path / "crowd.yaml"]))
    assert time.process_time() - begun < 5 * SECONDS
