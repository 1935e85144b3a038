"""The one rule of what belongs to a folder: links keep their names, and whatever is left out is counted."""

import os
from pathlib import Path

import pytest

from app.engines.output_folder import FOLDERS, RESULTS
from app.files.folders import AGAIN, BROKEN, CLOSED, HIDDEN, OUTPUT, SPECIAL, composed, is_text, list_files
from transforms.errors import shown


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def names(folder: Path, **options: Path) -> list[str]:
    listing = list_files(folder, **options)
    return [path.relative_to(listing.folder).as_posix() for path in listing.files]


def test_names_are_sorted_as_paths_are(tmp_path: Path):
    # "-", "." and " " come before "/", yet a folder's files stay together.
    make(tmp_path, "a/b/1.png", "a-b/1.png", "a.png", "a b.png", "a/1.png", "B.png", "a/b.png", "ä.png", "a/b/c/0.png")
    listing = list_files(tmp_path)
    paths = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert list(listing.files) == sorted(paths)
    assert listing.names[:3] == ("B.png", "a/1.png", "a/b/1.png")


def test_links_to_files_keep_their_names_and_two_links_to_one_file_are_two_files(tmp_path: Path):
    make(tmp_path, "store/0f3a", "images/3.png")
    for name in ("1.png", "2.png"):
        (tmp_path / "images" / name).symlink_to("../store/0f3a")
    assert names(tmp_path / "images") == ["1.png", "2.png", "3.png"]


def test_a_linked_folder_is_listed_once_under_the_name_of_its_link(tmp_path: Path):
    make(tmp_path, "store/a/1.png", "images/2.png")
    (tmp_path / "images" / "first").symlink_to("../store")
    (tmp_path / "images" / "second").symlink_to("../store/a")
    assert names(tmp_path / "images") == ["2.png", "first/a/1.png"]
    assert list_files(tmp_path / "images").left_out == {AGAIN: 1}


def test_a_folder_that_lies_here_goes_by_its_own_name_not_by_a_link_to_it(tmp_path: Path):
    make(tmp_path, "images/z/1.png")
    (tmp_path / "images" / "a").symlink_to("z")
    assert names(tmp_path / "images") == ["z/1.png"]


@pytest.mark.parametrize("target", [".", "..", "../..", "/"])
def test_a_link_to_a_folder_that_holds_this_one_is_not_followed(tmp_path: Path, target: str):
    make(tmp_path, "x/images/1.png", "x/other.png")
    (tmp_path / "x/images/up").symlink_to(target)
    assert names(tmp_path / "x/images") == ["1.png"]
    assert list_files(tmp_path / "x/images").left_out == {AGAIN: 1}


def test_links_within_linked_folders_are_followed_and_circles_end(tmp_path: Path):
    make(tmp_path, "a/1.png", "b/2.png", "images/0.png")
    (tmp_path / "images/a").symlink_to("../a")
    (tmp_path / "a/b").symlink_to("../b")
    (tmp_path / "b/a").symlink_to("../a")
    assert names(tmp_path / "images") == ["0.png", "a/1.png", "a/b/2.png"]


def test_what_is_left_out_is_counted(tmp_path: Path):
    make(tmp_path, "1.png", ".hidden.png", ".git/objects/2.png")
    (tmp_path / "lost.png").symlink_to("nothing")
    (tmp_path / "round.png").symlink_to("round.png")
    os.mkfifo(tmp_path / "pipe")
    listing = list_files(tmp_path)
    assert [path.name for path in listing.files] == ["1.png"]
    assert listing.left_out == {HIDDEN: 2, BROKEN: 2, SPECIAL: 1}
    assert "broken links 2" in listing.told()


@pytest.mark.skipif(os.geteuid() == 0, reason="root opens every folder")
def test_a_folder_that_cannot_be_opened_is_counted(tmp_path: Path):
    make(tmp_path, "1.png", "closed/2.png")
    (tmp_path / "closed").chmod(0)
    assert list_files(tmp_path).left_out == {CLOSED: 1}
    (tmp_path / "closed").chmod(0o700)


def test_a_hidden_or_linked_folder_can_itself_be_listed(tmp_path: Path):
    make(tmp_path, ".store/1.png")
    (tmp_path / "images").symlink_to(".store")
    assert names(tmp_path / ".store") == ["1.png"]
    assert list_files(tmp_path / "images").files == (tmp_path / "images/1.png",)


def test_two_dots_behind_a_link_lead_where_the_system_goes(tmp_path: Path):
    make(tmp_path, "elsewhere/inner/x.png", "elsewhere/1.png", "here/2.png")
    (tmp_path / "here/link").symlink_to("../elsewhere/inner")
    assert list_files(tmp_path / "here/link/..").files == (
        tmp_path / "elsewhere/1.png",
        tmp_path / "elsewhere/inner/x.png",
    )


def test_the_output_folder_is_left_out_before_and_after_it_holds_results(tmp_path: Path):
    make(tmp_path, "1.png", "out/overlays/1.png.png")
    assert names(tmp_path, output=tmp_path / "out") == ["1.png"]
    make(tmp_path, "out/predictions.csv", "out/excluded.csv", "out/mine.png")
    # Another run's: what somebody put there besides is no result.
    assert names(tmp_path, output=tmp_path / "other") == ["1.png", "out/mine.png"]
    assert list_files(tmp_path).left_out == {OUTPUT: 3}


def test_results_in_the_listed_folder_itself_are_left_out(tmp_path: Path):
    make(tmp_path, "1.png", "overlays/1.png.png", "predictions.csv", "excluded.csv")
    assert names(tmp_path, output=tmp_path) == ["1.png"]


def test_all_that_a_launch_writes_counts_as_results(tmp_path: Path):
    make(tmp_path, "1.png", *RESULTS, *(f"{folder}/a.png" for folder in FOLDERS), "run.json")
    assert names(tmp_path) == ["1.png"]


def test_a_missing_folder_and_a_file(tmp_path: Path):
    with pytest.raises(ValueError, match=r"none: no such folder\."):
        list_files(tmp_path / "none")
    with pytest.raises(ValueError, match=r"1\.png: is a file, not a folder\."):
        list_files(make(tmp_path, "1.png") / "1.png")


def test_names_that_are_no_utf8_are_listed_and_shown_with_escapes(tmp_path: Path):
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xf6ntgen.png"))).write_text("x")
    (path,) = list_files(tmp_path).files
    assert (is_text(path.name), is_text("röntgen.png")) == (False, True)
    assert shown(path.name) == "r\\xf6ntgen.png"
    assert shown("röntgen.png") == "röntgen.png"


def test_decomposed_names_are_composed():
    assert composed("Ro\u0308ntgen.png") == "R\u00f6ntgen.png"
