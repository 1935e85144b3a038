"""Weights on disk: whole or not at all, data and never code, and never into a network that they do not fit."""

import os
import stat
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
