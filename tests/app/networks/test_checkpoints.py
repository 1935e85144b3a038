"""Weights on disk: whole or not at all, data and never code, and never into a network that they do not fit."""

import os
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from app.networks import checkpoints
from app.networks.checkpoints import load_exactly, read_weights, save, weights


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).to(memory_format=torch.channels_last)


@pytest.fixture
def path(tmp_path: Path, network: nn.Module) -> Path:
    save(weights(network), tmp_path / "new" / "model.pt")
    return tmp_path / "new" / "model.pt"


def test_what_was_saved_comes_back(network, path):
    other = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    load_exactly(other, path)
    for name, value in network.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_saved_weights_are_plain(network):
    assert all(value.is_contiguous() and not value.requires_grad for value in weights(network).values())


@pytest.mark.parametrize("key", ["model", "network", "state_dict"])
def test_weights_are_found_under_usual_names(network, tmp_path, key):
    save({key: weights(network), "epoch": 3}, tmp_path / "last.pt")
    assert read_weights(tmp_path / "last.pt").keys() == network.state_dict().keys()


def test_nothing_but_the_file_is_left_and_others_may_read_it(path):
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_writer_that_dies_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()

    def die(content, file):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.torch, "save", die)
    with pytest.raises(OSError, match="No space left"):
        save({}, path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.pt: no such checkpoint"):
        read_weights(tmp_path / "no.pt")


@pytest.mark.parametrize("kept", [0, 100, -100], ids=["empty", "beginning", "all but the end"])
def test_damaged_file(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"model\.pt: not a readable checkpoint of weights"):
        read_weights(path)


def test_a_file_of_something_else(tmp_path):
    (tmp_path / "model.pt").write_text("not weights\n")
    with pytest.raises(ValueError, match=r"model\.pt: not a readable checkpoint of weights"):
        read_weights(tmp_path / "model.pt")


class _Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


def test_code_in_a_checkpoint_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": _Harmful()}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model\.pt: not a readable checkpoint of weights"):
        read_weights(tmp_path / "model.pt")
    assert not (tmp_path / "harm").exists()


def test_a_whole_module_is_refused(network, tmp_path):
    torch.save(network, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model\.pt: not a readable checkpoint of weights"):
        read_weights(tmp_path / "model.pt")


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [1, 2], {"model": {}}], ids=str)
def test_a_file_without_weights(tmp_path, content):
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model\.pt: holds no network's weights"):
        read_weights(tmp_path / "model.pt")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (nn.Sequential(nn.Conv2d(2, 3, 3)), r"0 names missing \[\], 5 unknown \['1.bias', '1.num_batches_tracked'\]"),
        (
            nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 1, 1)),
            r"2 names missing \['2.bias', '2.weight'\], 0 unknown \[\], 0 of another shape \[\]",
        ),
        (nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)), r"0 unknown \[\], 1 of another shape \['0.weight'\]"),
    ],
    ids=["more", "fewer", "shape"],
)
def test_weights_of_another_network_are_refused(path, other, message):
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(ValueError, match=rf"model\.pt does not fit this network: .*{message}.*other settings"):
        load_exactly(other, path)
    assert all(torch.equal(other.state_dict()[name], value) for name, value in before.items())


def repacked(path, change, compression=zipfile.ZIP_STORED):
    """The checkpoint ``path`` with other parts: ``change`` takes a part's name and content."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


# Runs in a process of its own, whose largest size so far tells how much was taken.
PEAK = """
import resource, sys
from app.networks.checkpoints import read_weights
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_weights(sys.argv[1])
except ValueError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
"""


def refusal(path):
    """How many kilobytes reading took, and what it said."""
    command = [sys.executable, "-c", PEAK, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    kilobytes, _, message = result.stdout.strip().partition(" ")
    return int(kilobytes), message


def test_a_checkpoint_that_claims_more_than_it_has_is_refused_before_it_takes_memory(tmp_path):
    path = tmp_path / "bomb.pt"
    save({"weight": torch.zeros(4)}, path)
    # Zeros shrink to a thousandth of their size.
    repacked(path, lambda name, part: bytes(300_000_000) if name.endswith("data/0") else part, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    kilobytes, message = refusal(path)
    assert kilobytes < 50_000
    assert re.search(r"bomb\.pt: .*claims to hold 300\d{6} bytes, but has \d{6}", message)
    assert "\n" not in message


GIGABYTE = b"J" + (2**30).to_bytes(4, "little") + b"\x85R."
# A text, then 24 times what is above it in hexadecimal: 2 ** 30 bytes of a kilobyte.
DOUBLED = (
    b"c_codecs\nencode\n" * 25 + b"X\x40\0\0\0" + b"a" * 64 + b"X\5\0\0\0utf-8\x86R" + b"X\3\0\0\0hex\x86R" * 24 + b"."
)
ASKS = [b"cbuiltins\nbytearray\n" + GIGABYTE, b"c__builtin__\nbytearray\n" + GIGABYTE, DOUBLED]


@pytest.mark.parametrize("asks", ASKS, ids=["builtins", "__builtin__", "doubled"])
@pytest.mark.parametrize("archived", [True, False])
def test_a_checkpoint_that_asks_for_memory_is_refused(tmp_path, asks, archived):
    path, asks = tmp_path / "asks.pt", b"\x80\x02" + asks
    if archived:
        save({"weight": torch.zeros(4)}, path)
        repacked(path, lambda name, part: asks if name.endswith("data.pkl") else part)
    else:
        path.write_bytes(asks)
    with pytest.raises(ValueError, match=r"asks\.pt: .*it calls (bytearray|encode), which no weights need"):
        read_weights(path)


def test_tensors_that_repeat_what_is_stored_are_refused(tmp_path):
    path = tmp_path / "view.pt"
    torch.save({"bias": torch.zeros(3), "weight": torch.zeros(1).expand(10**9)}, path)
    assert path.stat().st_size < 5000
    with pytest.raises(ValueError, match="weight has 1000000000 values, which the file does not hold"):
        read_weights(path)


def test_tensors_that_share_what_is_stored_are_read(tmp_path):
    whole = torch.arange(12.0)
    torch.save({"all": whole, "half": whole[6:], "turned": whole.view(3, 4).T}, tmp_path / "shared.pt")
    assert read_weights(tmp_path / "shared.pt")["turned"].tolist() == whole.view(3, 4).T.tolist()


def test_weights_of_the_form_before_archives_are_read(tmp_path):
    torch.save({"weight": torch.arange(4.0)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert read_weights(tmp_path / "old.pth")["weight"].tolist() == [0, 1, 2, 3]
