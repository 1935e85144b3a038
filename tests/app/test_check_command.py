"""``frugal check`` as it is typed: files, overrides, exit status, and how little a command needs to start."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.checking.words import parse, value_of
from app.cli import main

ROOT = Path(__file__).parents[2]
TRAIN = "bundles/nodule_detection/configs/train.yaml"
PUBLISHED = "bundles/nodule_detection/configs/published.yaml"
HEAVY = ("torch", "monai", "mlflow")


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_good_config_is_ok_and_says_what_was_looked_at(capsys: pytest.CaptureFixture):
    assert (
        main(
            ["check", TRAIN, PUBLISHED, "--batch_size", "8", "--train#trainer#max_epochs=@max_epochs", "--init_id", "x"]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert out.startswith(f"ok: training of {TRAIN}, {PUBLISHED}: keys, references, arguments, values and expressions")
    assert "no datalist is named: phantoms are made" in out
    # By hand: 8 images, (1 + 1) planes of 512 x 512 pixels, 5 bytes each.
    assert "a batch takes 0.021 GB at least" in out


def test_all_problems_are_one_list_on_stderr(capsys: pytest.CaptureFixture):
    assert main(["check", TRAIN, "--max_epoch", "3", "--batch_size", "abc", "--run_id", "evaluating"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "frugal: error: 3 problems (evaluating):"
    assert sorted(line.split(": ")[1] for line in lines[1:]) == ["batch_size", "checkpoint", "max_epoch"]


def test_a_config_from_elsewhere_needs_trust(tmp_path: Path, capsys: pytest.CaptureFixture):
    copy = tmp_path / "train.yaml"
    copy.write_text(Path(TRAIN).read_text())
    assert main(["check", str(copy)]) == 1
    assert "would run '$engines.begin(@output_dir, @seed)'" in capsys.readouterr().err
    assert main(["check", "--trust", str(copy)]) == 0
    assert main(["check", str(copy), "--trust"]) == 0
    assert main(["check", str(copy), "--trust", "True"]) == 0


def test_a_missing_file_is_one_message(capsys: pytest.CaptureFixture):
    assert main(["check", "absent.yaml"]) == 1
    assert capsys.readouterr().err == "frugal: error: absent.yaml: cannot be read (No such file or directory).\n"


WORDS = [
    "8",
    "-3",
    "1e-4",
    "abc",
    "True",
    "true",
    "None",
    "[1, 2]",
    "[a, b]",
    "{a: 1}",
    "('x', 2)",
    "a/b.json",
    "1.0.0",
    "$@a + 1",
    "@x#y",
    "'8'",
    "f(x)",
    "a b",
    "",
    "C:\\x",
    "http://host:5000",
    "[1",
    "-",
    "07",
]


@pytest.mark.parametrize("text", WORDS)
def test_values_are_read_as_monais_command_line_reads_them(text: str):
    # The second implementation: fire's own parser, which MONAI's command line uses.
    from fire.parser import DefaultParseValue

    assert repr(value_of(text)) == repr(DefaultParseValue(text))


def test_words_are_files_and_options():
    found = parse(
        ["more.yaml", "--a#b", "3", "--c=x", "--flag", "--learning-rate", "-1", "last.yaml"], flags=("trust",)
    )
    assert found.files == ["more.yaml", "last.yaml"]
    assert found.options == {"a#b": 3, "c": "x", "flag": True, "learning_rate": -1}


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        *(
            [name, "--help"]
            for name in ("check", "combine", "compare", "datalist", "degrade", "report", "split", "sync")
        ),
        ["datalist", "nih", "--help"],
        ["check", TRAIN],
        ["split", "absent.json", "out.json"],
        ["degrade", "absent.json", "out.json", "--patients", "0.5"],
        ["combine", "absent.json", "out.json"],
        ["datalist", "show", "absent.json"],
    ],
    ids=" ".join,
)
def test_commands_that_train_nothing_start_without_the_heavy_libraries(words: list[str]):
    code = f"""
import sys
from app.cli import main
try:
    main({words!r})
except SystemExit:
    pass
print(*(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr, end="END")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr.splitlines()[-1] == "END", done.stderr
