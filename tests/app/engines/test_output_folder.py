"""The output folder: refused early if it is not writable; earlier results are kept once."""

from pathlib import Path

import pytest

from app.engines.output_folder import EARLIER, MOVING, require_writable, set_aside


def write(folder: Path, *names: str) -> Path:
    """Write files that hold their own names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    return folder


def below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_earlier_results_replace_those_set_aside_before(tmp_path):
    write(tmp_path / EARLIER, "model.pt", "cases.csv")
    write(tmp_path, "model.pt", "last.damaged.pt", "pictures/curves.png", "notes.txt")
    assert set_aside(tmp_path) == tmp_path / EARLIER
    assert below(tmp_path) == [
        "earlier/last.damaged.pt",
        "earlier/model.pt",
        "earlier/pictures/curves.png",
        "notes.txt",
    ]


def test_a_training_without_weights_replaces_nothing(tmp_path):
    write(tmp_path, "model.pt", "metrics.json", "last.pt")
    set_aside(tmp_path)
    for _ in range(2):
        write(tmp_path, "config.yaml", "last.pt")
        assert set_aside(tmp_path) is None
    assert below(tmp_path) == ["earlier/last.pt", "earlier/metrics.json", "earlier/model.pt"]


def test_an_interrupted_setting_aside_is_completed(tmp_path):
    write(tmp_path / EARLIER, "model.pt", "cases.csv")
    write(tmp_path / MOVING, "model.pt", "pictures/curves.png")
    write(tmp_path, "last.pt", "pictures/history.png")
    set_aside(tmp_path)
    assert below(tmp_path) == ["earlier/last.pt", "earlier/model.pt", "earlier/pictures/history.png"]
    assert set_aside(tmp_path) is None


def test_a_missing_folder_may_be_written_and_is_not_made(tmp_path):
    require_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_place_of_the_folder_is_refused(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(PermissionError, match=rf"{name}: results cannot be written there \(.+\)\. .*--output_dir DIR"):
        require_writable(tmp_path / name)
