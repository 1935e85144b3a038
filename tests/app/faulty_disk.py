"""A disk that fills up, fails, or loses what was not written through when the power goes, below one folder."""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

State = dict[str, bytes]
"""Content by path relative to the folder."""
_LOCK = ".frugal.lock"


class FaultyDisk:
    """Follows every write, fsync, move and removal in a folder, and may fail from the n-th of them on.

    It keeps two states of what a power failure at this moment would leave: `lost`, where only moves whose folder was
    synced have happened, and `eager`, where all moves have happened but files that were not synced are empty.

    Args:
        folder: Everything else is left alone.
        fail_at: Number of the event that fails, from 1; 0 for none. A write does half of its work first.
        code: The error, ``ENOSPC`` or ``EIO``. A full disk stays full, an input/output error passes.
    """

    def __init__(self, folder: Path, fail_at: int = 0, code: int = errno.ENOSPC) -> None:
        self.folder = folder
        self.fail_at, self.code = fail_at, code
        self.events: list[str] = []
        self.states: list[State] = []
        self._descriptors: dict[int, str] = {}
        self._names: dict[str, int] = {}
        self._synced_names: dict[str, int] = {}
        self._synced: dict[int, bytes] = {}
        for path in folder.rglob("*"):
            if path.is_file():
                name = self._name(path)
                self._names[name] = self._synced_names[name] = path.stat().st_ino
                self._synced[path.stat().st_ino] = path.read_bytes()

    def install(self, patch: pytest.MonkeyPatch) -> FaultyDisk:
        """Take the place of the functions that files are written with."""
        for module in (builtins, io):
            patch.setattr(module, "open", self._opening(module.open))
        for name in ("write", "fsync", "replace", "rename", "unlink", "open", "close"):
            patch.setattr(os, name, getattr(self, f"_{name}")(getattr(os, name)))
        return self

    def event(self, kind: str, name: str) -> bool:
        """Count one; whether it fails."""
        self.events.append(f"{kind} {name}")
        self.states += [self.lost(), self.eager()]
        number = len(self.events)
        is_full = self.code == errno.ENOSPC and kind == "write"
        return bool(self.fail_at) and (number == self.fail_at or (is_full and number > self.fail_at))

    def fail(self) -> None:
        raise OSError(self.code, os.strerror(self.code))

    def lost(self) -> State:
        return {name: self._synced.get(number, b"") for name, number in self._synced_names.items()}

    def eager(self) -> State:
        return {name: self._synced.get(number, b"") for name, number in self._names.items()}

    def write(self, descriptor: int, name: str, content: Any, write: Callable[[Any], int]) -> int:
        """Write, or write half and fail."""
        self._names.setdefault(name, os.fstat(descriptor).st_ino)
        if self.event("write", name):
            content = memoryview(content).cast("B")
            write(content[: len(content) // 2])
            self.fail()
        return write(content)

    def _name(self, path: Any) -> str | None:
        """Relative to the folder; None for what is not of interest."""
        if not isinstance(path, (str, os.PathLike)):
            return None
        whole = Path.cwd() / path
        if not whole.is_relative_to(self.folder) or whole.name == _LOCK:
            return None
        return str(whole.relative_to(self.folder))

    def _opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: str = "r", buffering: int = -1, *text: Any, **named: Any) -> Any:
            name = self._name(file)
            if name is None or not set(mode) & set("wax+") or "opener" in named:
                return real(file, mode, buffering, *text, **named)
            raw = _File(self, name, file, mode.replace("b", "").replace("t", ""))
            self._descriptors[raw.fileno()] = name
            if buffering == 0:
                return raw
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, *text, **named)

        return opened

    def _open(self, real: Callable[..., int]) -> Callable[..., int]:
        def opened(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            descriptor = real(path, flags, *rest, **named)
            name = self._name(path)
            if name is not None and not flags & getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY:
                self._descriptors[descriptor] = name
            return descriptor

        return opened

    def _close(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def close(descriptor: int) -> None:
            self._descriptors.pop(descriptor, None)
            real(descriptor)

        return close

    def _write(self, real: Callable[[int, Any], int]) -> Callable[[int, Any], int]:
        def write(descriptor: int, content: Any) -> int:
            name = self._descriptors.get(descriptor)
            if name is None:
                return real(descriptor, content)
            return self.write(descriptor, name, content, lambda part: real(descriptor, part))

        return write

    def _fsync(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def fsync(descriptor: int) -> None:
            name = self._descriptors.get(descriptor)
            if name is None:
                real(descriptor)
                return
            if self.event("fsync", name):
                self.fail()
            path = self.folder / name
            if path.is_dir():
                here = {each: number for each, number in self._names.items() if (self.folder / each).parent == path}
                gone = [each for each in self._synced_names if (self.folder / each).parent == path]
                for each in gone:
                    del self._synced_names[each]
                self._synced_names |= here
            else:
                self._synced[os.fstat(descriptor).st_ino] = path.read_bytes()

        return fsync

    def _replace(self, real: Callable[..., None]) -> Callable[..., None]:
        def replace(source: Any, target: Any, **named: Any) -> None:
            first, second = self._name(source), self._name(target)
            if first is None or second is None or first not in self._names:
                real(source, target, **named)
                return
            if self.event("replace", f"{second}"):
                self.fail()
            real(source, target, **named)
            self._names[second] = self._names.pop(first)

        return replace

    _rename = _replace

    def _unlink(self, real: Callable[..., None]) -> Callable[..., None]:
        def unlink(path: Any, **named: Any) -> None:
            real(path, **named)
            self._names.pop(self._name(path) or "", None)

        return unlink


class _File(io.FileIO):
    """A file of the disk."""

    def __init__(self, disk: FaultyDisk, name: str, file: Any, mode: str) -> None:
        super().__init__(file, mode)
        self._disk, self._file_name = disk, name

    def write(self, content: Any) -> int:
        return self._disk.write(self.fileno(), self._file_name, content, super().write)

    def close(self) -> None:
        if not self.closed:
            self._disk._descriptors.pop(self.fileno(), None)
        super().close()


def restore(folder: Path, state: State) -> None:
    """Make a folder hold a state."""
    for name, content in state.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
