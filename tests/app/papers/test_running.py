"""`frugal reproduce`: what it lists, runs, goes on after, and refuses."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import main
from app.papers import running
from app.papers.declaration import Paper
from app.papers.gathered import gather
from app.papers.page import page
from app.papers.reading import read_paper
from app.papers.results import Results
from app.papers.steps import chosen_tables, steps


@pytest.fixture
def studies(monkeypatch: pytest.MonkeyPatch, results: Path) -> list[argparse.Namespace]:
    """Studies are not run but noted; each leaves the made table."""
    calls: list[argparse.Namespace] = []
    table = (results / "made_study/table.csv").read_text()

    def run(arguments: argparse.Namespace) -> None:
        calls.append(arguments)
        if arguments.keep:
            raise ValueError("1 of 12 runs failed")
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "table.csv").write_text(table)

    monkeypatch.setattr("app.commands.study.run", run)
    return calls


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Commands are not run but noted; each makes data/made.json."""
    calls: list[str] = []

    def run(command: str, folder: Path) -> None:
        calls.append(command)
        Path("data").mkdir(exist_ok=True)
        Path("data/made.json").touch()

    monkeypatch.setattr(running, "run_command", run)
    return calls


def test_one_step_after_the_other(declaration, studies, commands, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["reproduce", str(declaration.parents[1]), "--out", "new", "--trust", "--jobs", "2"]
    assert main(words) == 1
    # The study ran with the options that both commands have; what the figure reads was made or is missed in words.
    assert [(each.jobs, each.trust, each.out) for each in studies] == [(2, True, Path("new/made_study"))]
    assert commands == ["frugal phantom --out data/made"]
    assert "needs data/bought.json: buy it" in capsys.readouterr().err
    assert "| Contours are better. | holds in 1 of 1 | holds in 1 of 1 |" in Path("new/made.md").read_text()

    Path("data/bought.json").touch()
    assert main([*words, "--table", "fig. 2"]) == 0
    assert commands[1:] == ["frugal datalist agree data/made.json data/bought.json --csv '{out}/kappa/kappa.csv'"]
    assert len(studies) == 1


def test_a_study_that_fails_does_not_end_the_others(declaration, studies, commands, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/bought.json").touch()
    assert main(["reproduce", str(declaration.parents[1]), "--out", "new", "--trust", "--keep", "--on", "auto"]) == 1
    assert [each.on for each in studies] == ["auto"]
    assert "study.yaml: 1 of 12 runs failed" in capsys.readouterr().err
    assert len(commands) == 2
    assert Path("new/made.md").is_file()


def test_commands_from_elsewhere_need_trust(declaration, studies, commands, tmp_path, capsys):
    words = ["reproduce", str(declaration.parents[1]), "--out", str(tmp_path / "new")]
    assert main(words) == 1
    assert "Read them, and give --trust" in capsys.readouterr().err
    assert not studies
    assert not commands
    assert main([*words, "--report"]) == 0


def test_what_is_listed(declaration, results, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        record = results / f"made_study/cells/level=box,batch_size=2/seed-{seed}/cell.json"
        record.parent.mkdir(parents=True)
        record.write_text('{"state": "finished", "seconds": 30}' if seed else '{"state": "begun"}')
    assert main(["reproduce", str(declaration.parents[1]), "--list", "--out", str(results)]) == 0
    out = capsys.readouterr().out
    assert "study.yaml, 1 of 12 runs finished, the others in about 5 min 30 s at the same pace\n" in out  # 11 x 30 s
    assert "kappa.csv': ran; needs data/bought.json\n" in out
    assert "published: the data is private\n" in out
    assert (
        "\nYou have to get:\n  data/bought.json: buy it\n\nMade when they are needed:\n  data/made.json: `frugal "
        in out
    )


def test_what_made_files_are_made_from_has_to_be_got(declaration, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = "  data/tables: ask the authors\n  data/made.json: [frugal phantom --out data/tables]"
    declaration.write_text(declaration.read_text().replace("  data/made.json: [frugal phantom --out data/made]", made))
    assert main(["reproduce", str(declaration.parents[1]), "--list"]) == 0
    assert "; needs data/tables, data/bought.json\n" in capsys.readouterr().out
    assert "- `data/tables`: ask the authors.\n" in page(gather(read_paper(declaration), Results(tmp_path)), {})
    (tmp_path / "data/tables").mkdir(parents=True)
    assert main(["reproduce", str(declaration.parents[1]), "--list"]) == 0
    assert "data/tables:" not in capsys.readouterr().out


def test_a_report_writes_old_tables_again(declaration, studies, results, capsys):
    record = results / "made_study/cells/level=box,batch_size=2/seed-0/cell.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"state": "finished"}')
    words = ["reproduce", str(declaration.parents[1]), "--out", str(results), "--report"]
    os.utime(record, (1, 1))
    assert main(words) == 0
    assert not studies
    (results / "made_study/table.csv").unlink()
    assert main(words) == 0
    assert [each.table for each in studies] == [True]
    (results / "made_study/table.csv").unlink()
    assert main([*words, "--keep"]) == 1  # as if cells had failed: the page is written all the same
    assert "study.yaml: 1 of 12 runs failed" in capsys.readouterr().err


def test_tables_are_chosen_by_how_their_names_begin(paper: Paper):
    assert chosen_tables(paper, []) == ["Table 1", "Fig. 2"]
    assert chosen_tables(paper, ["1"]) == chosen_tables(paper, ["table 1"]) == ["Table 1"]
    assert chosen_tables(paper, ["Fig. 2"]) == ["Fig. 2"]
    with pytest.raises(ValueError, match=r"--table Tabel 1: no such table\. Did you mean 'Table 1'\?"):
        chosen_tables(paper, ["Tabel 1"])
    with pytest.raises(ValueError, match="--table 2: no such table"):
        chosen_tables(paper, ["2"])


def test_steps_know_what_they_need(paper: Paper):
    study, figure = steps(paper, "small", ["Table 1", "Fig. 2"])
    assert (study.file, study.runs, study.needs) == ("made_study", 12, ())
    assert figure.needs == ("data/made.json", "data/bought.json")
    assert steps(paper, "published", ["Table 1", "Fig. 2"]) == []


def test_options_are_checked_before_anything_runs(declaration, studies, commands, capsys):
    assert main(["reproduce", str(declaration.parents[1]), "--trust", "--jobs", "0"]) == 1
    assert "--jobs 0: must be 1 or more." in capsys.readouterr().err
    assert not studies
    assert not commands


def test_a_size_is_known(declaration, capsys):
    assert main(["reproduce", str(declaration.parents[1]), "--size", "large"]) == 1
    assert "--size large: made has small, published." in capsys.readouterr().err


def test_listing_imports_nothing_heavy(tmp_path: Path):
    code = "import sys; from app.cli import main; main(['reproduce']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "limited_annotation (rozenberg): " in done.stdout
    assert not {"torch", "monai", "mlflow", "matplotlib", "cv2", "pydicom", "numpy"} & set(done.stderr.split())
