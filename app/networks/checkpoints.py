"""Checkpoints on disk: written atomically, verified when read, and read as data, never as code."""

from __future__ import annotations

import errno
import mmap
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor, nn

from app.files.atomic import whole_file

_FULL = (errno.ENOSPC, errno.EDQUOT)


def save(content: Mapping[str, object], path: Path, previous: Path | None = None) -> None:
    """Write a checkpoint atomically: a reader sees either the old file or the new one, whenever the writer dies.

    Args:
        content: Tensors and plain values.
        path: The file; its folder is created if missing.
        previous: Where the replaced file goes. If the writer dies between the two steps, only this file exists.

    Raises:
        OSError: It cannot be written; if the disk is full, the message says how much is needed. The old file is intact.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with whole_file(path, previous) as temporary, temporary.open("wb") as file:
            _write(content, file)
    except (OSError, RuntimeError) as error:
        # torch's writer reports a failing disk by its own errors.
        if _is_full(error, path.parent, _size(content)):
            raise OSError(errno.ENOSPC, _no_space(path, _size(content))) from error
        raise


def weights(network: nn.Module) -> dict[str, Tensor]:
    """State of a network for ``save``, on the CPU and contiguous."""
    return {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}


def read_checkpoint(path: str | Path) -> Any:  # noqa: ANN401 - whatever was saved
    """Read what ``save`` wrote, to the CPU, after comparing every byte with its checksum.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, has anything but tensors and plain values, or claims more bytes than it has.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        _check_bytes(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path}: not a readable checkpoint of weights ({reason})") from error


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a network's state from a checkpoint or ``.safetensors`` file.

    In a checkpoint it is the whole content, or stands under the key ``model``, ``network`` or ``state_dict``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or has no state of a network.
    """
    if Path(path).suffix == ".safetensors":
        return _read_safetensors(Path(path))
    content = read_checkpoint(path)
    for key in ("model", "network", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not any(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path}: holds no network's weights")
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    for name, value in tensors.items():
        # A view that repeats a few stored values would grow when copied.
        if value.layout != torch.strided or value.is_meta or value.nbytes > value.untyped_storage().nbytes():
            raise ValueError(f"{path}: {name} has {value.numel()} values, which the file does not hold one by one")
    return tensors


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of weights")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path}: not a readable file of weights ({error})") from error


def load_exactly(network: nn.Module, path: str | Path) -> None:
    """Load a checkpoint into a network with exactly the same names and shapes.

    Raises:
        ValueError: Names or shapes differ; the message says how many and which come first.
    """
    load_state(network, read_weights(path), path)


def load_state(network: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Load weights that were read from ``path`` into a network; see `load_exactly`."""
    own = network.state_dict()
    missing = sorted(own.keys() - state.keys())
    unexpected = sorted(state.keys() - own.keys())
    shapes = [name for name in sorted(own.keys() & state.keys()) if own[name].shape != state[name].shape]
    if missing or unexpected or shapes:
        raise ValueError(
            f"{path} does not fit this network: {len(missing)} names missing {missing[:2]}, {len(unexpected)} unknown "
            f"{unexpected[:2]}, {len(shapes)} of another shape {shapes[:2]}. Was it trained with other settings?"
        )
    network.load_state_dict(state)


def _check_bytes(path: Path) -> None:
    """Refuse a file that would take far more memory than its size, or whose checksums do not match."""
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
        if not is_archive:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                _check_pickle(content)
            return
    with zipfile.ZipFile(path) as archive:
        claimed, size = sum(entry.file_size for entry in archive.infolist()), path.stat().st_size
        if claimed > size:
            # torch does not compress, so the parts of a checkpoint are never larger than the file.
            raise ValueError(
                f"it claims to hold {claimed} bytes, but has {size}: compressed, or made to exhaust memory"
            )
        # torch writes a checksum (CRC-32) of every tensor, but does not compare it when reading.
        damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"the checksum of {damaged} does not fit: the file is damaged")
        for entry in archive.infolist():
            if entry.filename.endswith(".pkl"):
                _check_pickle(archive.read(entry))


def _check_pickle(content: bytes | mmap.mmap) -> None:
    """Refuse calls that torch's reader permits but that can take any amount of memory.

    A bytearray is as long as the number it is given; ``encode`` to hexadecimal doubles its input each time.
    """
    found = re.search(rb"c(?:__builtin__|builtins)\n(bytearray)\n|c_codecs\n(encode)\n", content)
    if found:
        raise ValueError(f"it calls {(found[1] or found[2]).decode()}, which no weights need")


class _Remembering:
    """A file that keeps the original exception, which torch's writer replaces by its own, even for signals."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.error: BaseException | None = None

    def write(self, content: bytes) -> int:
        try:
            return self.file.write(content)
        except BaseException as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.file.flush()


def _write(content: Mapping[str, object], file: IO[bytes]) -> None:
    """Write with torch, and raise the original exception if writing fails."""
    remembering = _Remembering(file)
    try:
        # torch only needs write and flush.
        torch.save(content, cast("IO[bytes]", remembering))
    except BaseException:
        if remembering.error is not None:
            raise remembering.error from None
        raise


def _is_full(error: Exception, folder: Path, needed: int) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    return shutil.disk_usage(folder).free < needed


def _no_space(path: Path, needed: int) -> str:
    free = shutil.disk_usage(path.parent).free
    return (
        f"No space left for {path}: the checkpoint needs {needed / 1e6:.1f} MB and {free / 1e6:.1f} MB are free. "
        "What was saved before is intact"
    )


def _size(content: object) -> int:
    """Bytes of all tensors at any depth; everything else is small."""
    if isinstance(content, Tensor):
        return content.nbytes
    if isinstance(content, Mapping):
        return sum(_size(value) for value in content.values())
    if isinstance(content, (list, tuple)):
        return sum(_size(value) for value in content)
    return 0
