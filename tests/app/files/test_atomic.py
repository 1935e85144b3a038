"""Files are whole or not there: each kind of file that is written, each step at which the disk can fail."""

import ast
import csv
import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import Datalist
from app.files.atomic import remove_partial, whole_file, write_figure, write_png, write_whole
from app.files.own_json import read_record
from tests.app.faulty_disk import FaultyDisk

ROOT = Path(__file__).parents[3]


def table(path: Path) -> None:
    with whole_file(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([("image", "score"), ("a", 0.5)])


WRITERS: dict[str, Callable[[Path], object]] = {
    "text.json": lambda path: write_whole(path, "{}\n"),
    "table.csv": table,
    "figure.png": lambda path: write_figure(path, Figure(figsize=(0.3, 0.3)), dpi=50),
    "picture.png": lambda path: write_png(path, np.arange(12, dtype=np.uint8).reshape(3, 4)),
    "datalist.json": lambda path: write_datalist(Datalist("made", ("Nodule",), {}), path),
}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["full", "failing"])
@pytest.mark.parametrize("name", WRITERS)
def test_the_old_file_or_the_new_one_whatever_fails(tmp_path, monkeypatch, name, code):
    write, path = WRITERS[name], tmp_path / name
    with monkeypatch.context() as patch:
        counting = FaultyDisk(tmp_path).install(patch)
        write(path)
    # By hand: at least one write, its sync, the move, and the sync of the folder.
    events = len(counting.events)
    assert events >= 4
    new = path.read_bytes()
    for number in range(1, events + 1):
        path.write_bytes(b"old")
        with monkeypatch.context() as patch:
            disk = FaultyDisk(tmp_path, number, code).install(patch)
            with pytest.raises(OSError, match=f"{os.strerror(code)}.*{name}") as caught:
                write(path)
        assert caught.value.errno == code
        # Once moved it is the new one; that the folder could not be synced is told.
        is_moved = f"replace {name}" in disk.events[: number - 1]
        assert path.read_bytes() == (new if is_moved else b"old")
        assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", WRITERS)
def test_a_power_failure_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        disk = FaultyDisk(tmp_path).install(patch)
        WRITERS[name](path)
    left = {state[name] for state in disk.states}
    assert left == {b"old", path.read_bytes()}
    assert disk.lost() == disk.eager() == {name: path.read_bytes()}


def test_a_name_of_full_length_can_be_written(tmp_path):
    path = tmp_path / ("n" * 255)
    write_whole(path, "text")
    assert path.read_text() == "text"


def test_a_device_is_written_to_and_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_whole(tmp_path / "pipe", "text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.txt") as caught, whole_file(tmp_path / "table.csv"):
        (tmp_path / "missing.txt").read_text()
    assert "table.csv" not in str(caught.value)


def test_what_killed_writers_left_is_removed(tmp_path):
    (tmp_path / "pictures").mkdir()
    for name in (".123-0a.partial", "pictures/.123-0b.partial", "model.pt"):
        (tmp_path / name).touch()
    remove_partial(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["model.pt"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\n", "it is empty"),
        (b"\0" * 40, "nothing but zeros"),
        (b'{"a": 1', "cut short or damaged"),
        (b'{"a": "\xff"}', "cut short or damaged"),
        (b"[1]", "holds a list"),
        (b"[" * 100_000, "cut short or damaged"),
    ],
    ids=["empty", "blank", "zeros", "cut", "no text", "list", "deep"],
)
def test_a_damaged_record_is_named_with_the_remedy(tmp_path, content, reason):
    path = tmp_path / "metrics.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"metrics\.json: not a result \(.*{reason}.*\)\. Evaluate again\.") as caught:
        read_record(path, "a result", "Evaluate again.")
    assert type(caught.value) is ValueError
    assert "\n" not in str(caught.value)


WRITING = {"write_text", "write_bytes", "savefig", "imwrite", "tofile", "to_csv", "NamedTemporaryFile", "open_memmap"}
WRITING_OF = {("json", "dump"), ("np", "save"), ("np", "savez"), ("torch", "save"), ("yaml", "dump")}
ALLOWED = {
    "app/files/atomic.py": "the one writer",
    "app/networks/checkpoints.py": "torch.save to a file of whole_file",
    "evaluation/predictions.py": "knows nothing of the application, which gives it a file of whole_file",
    "app/prepared/shards.py": "shards grow, and every record has a checksum",
    "app/files/claims.py": "a lock",
    "app/files/lease.py": "a lease",
    "app/prepared/folders.py": "a lock",
    "app/sweeps/cell_data.py": "a lock",
    "app/service/service.py": "a lock",
    "app/sweeps/on_cluster.py": "what a cell prints, as it comes",
    "app/comparing/forest.py": "draws into memory",
    "app/auditing/audit_output.py": "draws into memory",
    "app/auditing/image_features.py": "arrays to a file of whole_file",
    "app/engines/configuration.py": "dumps YAML to text",
    "app/tracking/clients.py": "a lock",
    "app/tracking/folder_lock.py": "a lock",
    "app/tracking/store.py": "tries whether MLflow's database can be written",
}


def _writes(path: Path) -> list[int]:
    """Lines that open a file to write, unless it is the temporary one of `whole_file`."""
    lines: list[int] = []
    source = path.read_text(encoding="utf-8")
    if not re.search(r"open\(|write|save|dump|to_csv|tofile|NamedTemporaryFile|open_memmap", source):
        return lines
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = getattr(getattr(node.func, "value", None), "id", "")
        words = [each.value for each in (*node.args, *(word.value for word in node.keywords)) if _is_mode(each)]
        is_open = name == "open" and bool(words) and owner != "temporary"
        if is_open or (name in WRITING and owner != "temporary") or (owner, name) in WRITING_OF:
            lines.append(node.lineno)
    return lines


def _is_mode(node: ast.expr) -> bool:
    value = getattr(node, "value", None)
    return (
        isinstance(value, str)
        and 0 < len(value) <= 3
        and set(value) <= set("rwaxbt+")
        and bool(set(value) & set("wax+"))
    )


def test_nothing_else_writes_files():
    found = {}
    for folder in ("app", "evaluation", "transforms"):
        for path in (ROOT / folder).rglob("*.py"):
            if lines := _writes(path):
                found[str(path.relative_to(ROOT))] = lines
    assert set(found) <= set(ALLOWED), f"write through app.files.atomic: {found}"


def test_a_datalist_that_is_empty_is_named(tmp_path):
    (tmp_path / "datalist.json").touch()
    with pytest.raises(ValueError, match=r"datalist\.json: not a JSON file"):
        read_datalist(tmp_path / "datalist.json")


def test_pictures_hold_their_pixels(tmp_path):
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    write_png(tmp_path / "new" / "a.png", pixels)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "new" / "a.png"), cv2.IMREAD_UNCHANGED), pixels)
