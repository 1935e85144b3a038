"""Settings of all cells are checked before the first one runs."""

from pathlib import Path

import pytest
import yaml

from app.cli import main
from app.sweeps.cell_settings import require_settings
from app.sweeps.study_file import read_sweep

STUDY = {
    "name": "checked",
    "bundle": "nodule_detection",
    "factors": {"model": {"A": {"max_epochs": 2}, "B": {"start_from": {"cell": {"model": "A"}}}}},
    "evaluations": {"validation": {"section": "validation"}, "both": {"checkpoint": {"cell": {}, "seeds": "all"}}},
    "seeds": [0, 1],
}


def written(folder: Path, **changes: object) -> Path:
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump({**STUDY, **changes}, sort_keys=False))
    return file


def test_files_that_other_cells_will_leave_are_no_problem(tmp_path: Path):
    require_settings(read_sweep(written(tmp_path)))


def test_each_wrong_value_is_named_once_with_the_first_cell_that_has_it(tmp_path: Path):
    factors = {"size": {"small": {"image_size": 64}, "large": {"image_size": "512 x 512"}}, **STUDY["factors"]}
    sweep = read_sweep(written(tmp_path, factors=factors, fixed={"patience": -1}))
    with pytest.raises(ValueError, match="this study cannot run") as caught:
        require_settings(sweep)
    patience, size, *others = str(caught.value).splitlines()[1:]
    assert patience == "  size=small,model=A,evaluation=own: patience: patience is -1; at least 0 is allowed."
    assert size.startswith("  size=large,model=A,evaluation=own: image_size: ")
    assert not any("patience" in each for each in others)


def test_nothing_runs_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, evaluations={"elsewhere": {"section": 3}})
    assert main(["study", "study.yaml"]) == 1
    assert "model=A,evaluation=elsewhere: section: " in capsys.readouterr().err
    assert not list(tmp_path.rglob("cell.json"))
