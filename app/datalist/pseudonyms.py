"""Pseudonyms of patients, studies and images: keyed hashes, which nobody can undo or guess without the key."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from app.files.atomic import whole_file

_KEY = re.compile(r"[0-9a-f]{64}\s*")
_DIGITS = 16
"""Hexadecimal digits of a pseudonym. Two of a million names share one with a probability of 3 in a hundred million."""


class Pseudonyms:
    """Pseudonyms under one key: the same name of the same kind has the same pseudonym in every datalist.

    A pseudonym is the letter of its kind and 16 hexadecimal digits of HMAC-SHA256 (RFC 2104) of kind and name.

    Args:
        path: File of the key, 256 bits. It is made, readable by its owner alone, when the first pseudonym is asked for.

    Example:
        >>> import tempfile
        >>> pseudonyms = Pseudonyms(Path(tempfile.mkdtemp()) / "key")
        >>> pseudonyms.of("patient", "4711") == Pseudonyms(pseudonyms.path).of("patient", "4711")
        True
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._key = b""

    def of(self, kind: str, name: str) -> str:
        """The pseudonym of a name.

        Args:
            kind: ``patient``, ``study``, ``image`` or ``mask``.
            name: The name, in the form in which two are compared.

        Raises:
            ValueError: The file cannot be read or written, holds no key, or others can read it.
        """
        if not self._key:
            self._key = _key_in(self.path)
        digest = hmac.digest(self._key, f"{kind}\0{name}".encode(), "sha256")
        return f"{kind[0]}{digest.hex()[:_DIGITS]}"

    @property
    def fingerprint(self) -> str:
        """Eight digits that tell keys apart and do not reveal the key; empty if no pseudonym was made."""
        return hashlib.sha256(b"fingerprint\0" + self._key).hexdigest()[:8] if self._key else ""


def default_key() -> Path:
    """Where the key is unless another file is named: in the user's folder of settings."""
    settings = os.environ.get("XDG_CONFIG_HOME")
    try:
        return (Path(settings) if settings else Path.home() / ".config") / "frugal" / "pseudonyms.key"
    except RuntimeError:
        raise ValueError("no home folder for the key of pseudonyms: name a file with --pseudonymise FILE.") from None


def _key_in(path: Path) -> bytes:
    text = ""
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with whole_file(path) as temporary:
                temporary.touch(mode=0o600)
                temporary.write_text(f"{secrets.token_hex(32)}\n")
        mode = path.stat().st_mode
        text = path.read_text()
    except UnicodeDecodeError:
        pass
    except OSError as error:
        raise ValueError(
            f"{path}: the key of pseudonyms can neither be read nor made ({error.strerror}). Name another file by "
            "--pseudonymise FILE, or keep all names with --keep-names."
        ) from error
    if not _KEY.fullmatch(text):
        raise ValueError(
            f"{path}: holds no key of pseudonyms. Name a file that does, or a new one, which is then made."
        )
    if mode & 0o077:
        raise ValueError(f"{path}: others can read this key, and so find out who is who: chmod 600 {path}")
    return bytes.fromhex(text.strip())
