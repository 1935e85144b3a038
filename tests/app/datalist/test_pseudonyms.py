"""Which names look like records, and pseudonyms against a second implementation."""

import hashlib
import hmac
from pathlib import Path

import pytest

from app.datalist.pseudonyms import Pseudonyms, default_key
from app.datalist.record_numbers import looks_like_a_person, looks_like_a_record, path_looks_like_a_record

RECORDS = [
    *("1234567", "MRN12345", "0000471109", "12345.dcm", "00098765.png", "2021-03-04", "20210304.png", "A21-12345"),
    *("CR-21-004711", "RX2021/00123", "1.2.840.1.2.3", "1.2.276.0.7230010.3.1.4", "Doe^Jane", "Doe, Jane.dcm"),
    *("MÜLLER^HANS", "Müller,Hans", "scan 123-45-678"),
]
OTHERS = [
    *(
        "",
        "p",
        "17",
        "4711",
        "0001.dcm",
        "IM000012",
        "ward_b/case_12/pa_3.png",
        "SER00001/IMG00012.dcm",
        "chest.nii.gz",
    ),
    *("9a5094b2563a1ef3ff50dc5c7ff71345.png", "6f9619ff-8b86-d011-b42d-00c04fc964ff.dcm", "p0123456789abcdef"),
    *("links/images/i0123456789012345.dcm", "IM-0001-0012.dcm", "00000012_001.png"),
]


@pytest.mark.parametrize("name", RECORDS)
def test_names_that_look_like_records(name: str):
    assert looks_like_a_record(name)
    assert looks_like_a_person(name)
    assert path_looks_like_a_record(f"images/{name.replace('/', '-')}/1.dcm")


@pytest.mark.parametrize("name", OTHERS)
def test_names_that_do_not(name: str):
    assert not path_looks_like_a_record(name)


def test_names_of_people():
    names = {"Jane Doe": True, "doe_jane": True, "Jane": False, "patient 3": False, "p_1": False, "Dr B": False}
    assert {name: looks_like_a_person(name) for name in names} == names


def test_pseudonyms_are_keyed_hashes(tmp_path: Path):
    pseudonyms = Pseudonyms(tmp_path / "new" / "key")
    assert (pseudonyms.fingerprint, pseudonyms.path.exists()) == ("", False)
    made = pseudonyms.of("patient", "4711")
    key = bytes.fromhex(pseudonyms.path.read_text())
    assert len(key) == 32
    # RFC 2104 by hand, with blocks of 64 bytes.
    inner, outer = (bytes(byte ^ pad for byte in key.ljust(64, b"\0")) for pad in (0x36, 0x5C))
    digest = hashlib.sha256(outer + hashlib.sha256(inner + b"patient\x004711").digest()).hexdigest()
    assert made == f"p{digest[:16]}"
    assert hmac.compare_digest(made, Pseudonyms(pseudonyms.path).of("patient", "4711"))
    assert made[1:] != pseudonyms.of("study", "4711")[1:]
    assert pseudonyms.fingerprint not in key.hex()


def test_the_key_lies_in_the_users_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_key() == tmp_path / ".config/frugal/pseudonyms.key"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "other"))
    assert default_key() == tmp_path / "other/frugal/pseudonyms.key"
