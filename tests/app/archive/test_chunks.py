"""The chunks of a list of images, and the names of their results."""

import os
from pathlib import Path

import pytest

from app.archive.chunks import Chunk, ChunkResult, chunk_size, chunks, read_result, result_text

NAMES = ["smith^john/1.png", "b.png", "r\udcf6ntgen.png"]


@pytest.fixture
def chunk(tmp_path: Path) -> Chunk:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"pixels")
    return Chunk(3, tmp_path, NAMES)


def test_chunks_hold_every_image_once_and_in_order():
    names = [str(number) for number in range(10)]
    cut = list(chunks(Path("/"), names, 4))
    assert [name for chunk in cut for name in chunk.names] == names
    assert [(chunk.number, len(chunk)) for chunk in cut] == [(0, 4), (1, 4), (2, 2)]
    assert list(chunks(Path("/"), [], 4)) == []


@pytest.mark.parametrize(("wanted", "batch", "size"), [(None, 16, 512), (None, 24, 528), (1, 16, 16), (17, 16, 32)])
def test_a_chunk_is_whole_batches(wanted, batch, size):
    assert chunk_size(wanted, batch) == size


def test_a_result_is_that_of_the_same_files_and_settings(chunk: Chunk, tmp_path: Path):
    file = chunk.file(tmp_path, "settings")
    assert chunk.file(tmp_path, "settings") == file
    assert chunk.file(tmp_path, "other settings") != file
    assert Chunk(3, tmp_path, NAMES[:2]).file(tmp_path, "settings") != file
    assert Chunk(3, tmp_path, [*NAMES[1:], NAMES[0]]).file(tmp_path, "settings") != file
    os.utime(tmp_path / "b.png", ns=(1, 1))
    assert chunk.file(tmp_path, "settings") != file
    (tmp_path / "b.png").unlink()
    assert chunk.file(tmp_path, "settings").name.startswith("000003-")


def test_the_name_of_a_result_tells_nothing_of_the_images(chunk: Chunk, tmp_path: Path):
    stem = chunk.file(tmp_path, "settings").stem
    assert len(stem) == 6 + 1 + 32
    assert set(stem) <= set("0123456789abcdef-")


def test_a_result_is_read_back(tmp_path: Path):
    result = ChunkResult("r\\xf6ntgen.png,Nodule,0.5\r\n", 1, [["r\udcf6.png", "cut short"]], ["a.png"], [1], 0)
    (tmp_path / "a.json").write_text(result_text(result))
    assert read_result(tmp_path / "a.json") == result


def test_a_damaged_result_is_named_with_what_to_do(tmp_path: Path):
    (tmp_path / "a.json").write_text(result_text(ChunkResult("", 1, [], [], None, 0))[:20])
    with pytest.raises(ValueError, match=r"a\.json: not the result of a chunk .* Remove it and start the same command"):
        read_result(tmp_path / "a.json")
