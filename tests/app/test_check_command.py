"""``frugal check`` as it is typed: files, overrides, exit status, and how little a command needs to start."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import main
from app.workflows.words import files_and_overrides

ROOT = Path(__file__).parents[2]
TRAIN = "bundles/nodule_detection/configs/train.yaml"
PUBLISHED = "bundles/nodule_detection/configs/published.yaml"
HEAVY = ("torch", "monai", "mlflow")


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_good_config_passes_and_lists_what_was_looked_at(capsys: pytest.CaptureFixture):
    assert (
        main(
            ["check", TRAIN, PUBLISHED, "--batch_size", "8", "--train#trainer#max_epochs=@max_epochs", "--init_id", "x"]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert out.startswith(f"ok: training of {TRAIN}, {PUBLISHED}: keys, references, arguments, values and expressions")
    assert "no datalist is given: phantoms are made" in out
    # By hand: 8 images, (1 + 1) planes of 512 x 512 pixels, 5 bytes each.
    assert "a batch takes 0.021 GB at least" in out


def test_all_problems_are_one_list_on_stderr(capsys: pytest.CaptureFixture):
    assert main(["check", TRAIN, "--max_epoch", "3", "--batch_size", "abc", "--run_id", "evaluating"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "frugal: error: 3 problems (evaluating):"
    assert sorted(line.split(": ")[1] for line in lines[1:]) == ["batch_size", "checkpoint", "max_epoch"]


def test_an_untrusted_config_needs_trust(tmp_path: Path, capsys: pytest.CaptureFixture):
    copy = tmp_path / "train.yaml"
    copy.write_text(Path(TRAIN).read_text())
    assert main(["check", str(copy)]) == 1
    assert "would run '$engines.begin(@output_dir, @seed, @configuration)'" in capsys.readouterr().err
    assert main(["check", "--trust", str(copy)]) == 0
    assert main(["check", str(copy), "--trust"]) == 0
    assert main(["check", str(copy), "--trust", "True"]) == 0


def test_a_missing_file_is_one_message(capsys: pytest.CaptureFixture):
    assert main(["check", "absent.yaml"]) == 1
    assert capsys.readouterr().err == "frugal: error: absent.yaml: cannot be read (No such file or directory).\n"


def test_words_are_files_and_overrides():
    words = ["more.yaml", "--a#b", "3", "--c=x", "--flag", "--learning-rate", "-1", "--list", "[a, 2]", "last.yaml"]
    words += ["--trust", "False", "--other=1e-4", "--trust", "too.yaml", "--text", "07"]
    files, options = files_and_overrides(words, flags=("trust",))
    assert files == ["more.yaml", "last.yaml", "too.yaml"]
    numbers = {"a#b": 3, "learning_rate": -1, "other": 1e-4}
    assert options == numbers | {"c": "x", "flag": True, "list": ["a", 2], "trust": True, "text": "07"}


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
