"""Functions that read files in another process: their results, their errors, and the error if the process dies."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from app.files import limited as module
from app.files.limited import limited
from transforms.errors import RadiographError
from transforms.read import read_radiograph


def name_and_process(path: Path) -> tuple[str, int]:
    return path.name, os.getpid()


def end(path: Path) -> None:
    os.kill(os.getpid(), int(path.name))


def sleep(path: Path) -> None:
    time.sleep(60)


def fill(path: Path, count: int) -> int:
    return int(np.ones(count, dtype=np.uint8)[-1])


def test_one_process_calls_after_call():
    first, second = limited(name_and_process, Path("a")), limited(name_and_process, Path("b"))
    assert (first[0], second[0]) == ("a", "b")
    assert first[1] == second[1] != os.getpid()


def test_errors_are_raised_as_they_are(tmp_path: Path):
    with pytest.raises(RadiographError, match=r"gone\.png: cannot be opened"):
        limited(read_radiograph, tmp_path / "gone.png")


def test_a_crash_names_the_file_and_the_next_call_works():
    with pytest.raises(RadiographError, match=rf"{int(signal.SIGSEGV)}: the process that read it was ended by SIGSEGV"):
        limited(end, Path(str(int(signal.SIGSEGV))))
    assert limited(name_and_process, Path("b"))[0] == "b"


def test_patience_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    start = time.monotonic()
    with pytest.raises(RadiographError, match=r"slow\.dcm: the process that read it took longer than 0 seconds"):
        limited(sleep, Path("slow.dcm"))
    assert time.monotonic() - start < 10


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not count memory as Linux does")
def test_memory_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PATIENCE", 61.0)  # another process, which starts with the smaller limit
    monkeypatch.setattr(module, "MEMORY", 2**28)
    assert limited(fill, Path("small.dcm"), 2**24) == 1
    with pytest.raises(MemoryError):
        limited(fill, Path("large.dcm"), 2**30)
