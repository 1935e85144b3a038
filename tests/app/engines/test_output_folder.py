"""The folder of results: refused early where it cannot be written."""

import pytest

from app.engines.output_folder import require_writable


def test_a_missing_folder_is_made_and_nothing_left_in_it(tmp_path):
    require_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_the_place_of_the_folder(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(PermissionError, match=rf"{name}: results cannot be written there \(.+\)\. .*--output_dir DIR"):
        require_writable(tmp_path / name)
