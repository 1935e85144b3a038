"""One launch at a time works in a folder, whatever becomes of the lock's file and of the processes around it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.tracking import TrackingError, folder_lock
from app.tracking.folder_lock import LOCK_FILE, FolderLock

ROOT = Path(__file__).parents[3]
HOLD = r"""
import os, sys, time
from pathlib import Path
from app.tracking.folder_lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
try:
    lock.take()
except Exception as error:
    sys.exit(str(error))
lock.sign("first")
if sys.argv[2:] and os.fork() == 0:
    os.write(1, b"%d\n" % os.getpid())
    time.sleep(60)
os.write(1, b"held\n")
time.sleep(60)
"""


class Holder(subprocess.Popen[str]):
    """With the first line that it said."""

    said: str


def holder(path: Path, *words: str) -> Holder:
    """A process that holds the lock of a folder, or has been told that it cannot."""
    code = [sys.executable, "-c", HOLD, str(path), *words]
    process = Holder(code, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.said = process.stdout.readline().strip()
    return process


def refusal(process: Holder) -> str:
    """What a process that could not hold it said."""
    assert process.wait(30) == 1
    assert process.stderr is not None
    return process.stderr.read()


def test_a_second_launch_is_refused_with_the_lock_there_and_with_it_deleted(tmp_path: Path):
    first = holder(tmp_path)
    try:
        message = f"another launch works in {tmp_path}: process {first.pid} on .*, run first."
        with pytest.raises(TrackingError, match=message):
            FolderLock(tmp_path).take()
        (tmp_path / LOCK_FILE).unlink()
        with pytest.raises(TrackingError, match=f"another launch works in {tmp_path}: an unnamed process"):
            FolderLock(tmp_path).take()
        assert "another launch works in" in refusal(holder(tmp_path))
        # Another's file in its place is no way in, either.
        (tmp_path / LOCK_FILE).write_text("{}")
        with pytest.raises(TrackingError, match="another launch works in"):
            FolderLock(tmp_path).take()
    finally:
        first.kill()
        first.wait()
    lock = FolderLock(tmp_path)
    assert lock.take() == ""
    lock.release()


def test_a_worker_that_outlives_its_launch_does_not_hold_the_folder(tmp_path: Path):
    first = holder(tmp_path, "fork")
    assert first.stdout is not None
    lines = [first.said, first.stdout.readline().strip()]
    worker = int(next(line for line in lines if line != "held"))
    first.kill()
    first.wait()
    try:
        lock = FolderLock(tmp_path)
        assert lock.take() == "first"
        lock.release()
    finally:
        os.kill(worker, signal.SIGKILL)


def test_without_locks_of_folders_the_file_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # As on NFS, where a folder cannot be locked: EBADF.
    def refused(descriptor: int, how: int) -> None:
        raise OSError(9, "Bad file descriptor")

    first = holder(tmp_path)
    try:
        monkeypatch.setattr(folder_lock.fcntl, "flock", refused)
        with pytest.raises(TrackingError, match=f"process {first.pid}"):
            FolderLock(tmp_path).take()
    finally:
        first.kill()
        first.wait()
