"""Every start that a bundle's README names, with weights as the named library makes them, at random."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from app.networks.start import started_network
from tests.app.networks.bundle_networks import ROOT, made


def of_timm(name: str) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, pretrained=False)


def of_torchvision(name: str) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name)


def old_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As torchvision's published DenseNet files have them: norm.1 for norm1, and no count of batches."""
    return {
        re.sub(r"(denselayer\d+\.)(norm|conv)(\d)", r"\1\2.\3", name): value
        for name, value in state.items()
        if "num_batches_tracked" not in name
    }


# Bundle, forms, settings, the library's network, and what of that the bundle's network has no place for.
STARTS: list[tuple[str, tuple[str, ...], dict[str, Any], Callable[[], nn.Module], str]] = [
    ("limited_annotation", ("published",), {}, of_timm("resnetv2_50"), "head"),
    ("limited_annotation", ("published", "base"), {}, of_timm("resnetv2_50"), "head"),
    ("annotation_cost", ("published",), {}, of_torchvision("resnet34"), "fc"),
    ("annotation_cost", ("published",), {"depth": 18}, of_torchvision("resnet18"), "fc"),
    ("annotation_cost", ("published",), {"depth": 101}, of_torchvision("resnet101"), "fc"),
    ("annotation_cost", ("published",), {}, of_timm("resnet34"), "fc"),
    ("nodule_detection", ("published",), {}, of_torchvision("densenet121"), "classifier"),
    ("nodule_detection", ("published",), {"pixel_level": False}, of_timm("densenet121"), "classifier"),
    ("tube_detection", ("published",), {}, of_torchvision("densenet121"), "classifier"),
    ("tube_detection", ("published",), {"architecture": "resnet50", "modified": False}, of_timm("resnet50"), "fc"),
    ("uncertain_labels", ("published",), {}, of_timm("densenet121"), "classifier"),
]


def state_of(library: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """Random weights, running statistics among them."""
    torch.manual_seed(1)
    return {
        name: torch.rand_like(value) if value.is_floating_point() else value
        for name, value in library().state_dict().items()
    }


def require_taken(network: nn.Module, state: Mapping[str, Tensor], without: str) -> None:
    """Every tensor of the library's network but its classifier is somewhere in ours, under a name with the same end."""
    own = network.state_dict()
    for name, value in state.items():
        if name.startswith(without) or "num_batches_tracked" in name:
            continue
        grey = value.sum(dim=1, keepdim=True) if value.dim() == 4 and value.shape[1] == 3 else value
        names = [each for each in own if each == name or each.endswith(f".{name}")]
        assert any(torch.equal(own[each], grey) for each in names if own[each].shape == grey.shape), name


@pytest.mark.parametrize(
    ("bundle", "forms", "settings", "library", "without"), STARTS, ids=lambda v: v if isinstance(v, str) else None
)
def test_published_weights_are_taken_over(bundle, forms, settings, library, without, tmp_path, caplog) -> None:
    state = state_of(library)
    torch.save(state, tmp_path / "published.pt")
    (network,) = made(bundle, forms, "network_def", **settings)
    with caplog.at_level(logging.INFO):
        network = started_network(network, str(tmp_path / "published.pt"))
    require_taken(network, state, without)
    assert "of the network's numbers taken over from" in caplog.messages[0]
    assert "at random start" in caplog.messages[0]


@pytest.mark.parametrize("wrapped", ["module.", "model.module.", "network.features_of."])
def test_wrapped_names_are_unwrapped_and_it_is_said(wrapped: str, tmp_path: Path, caplog) -> None:
    state = state_of(of_timm("resnetv2_50"))
    torch.save({"state_dict": {wrapped + name: value for name, value in state.items()}}, tmp_path / "published.pt")
    (network,) = made("limited_annotation", ("published",), "network_def")
    with caplog.at_level(logging.INFO):
        network = started_network(network, str(tmp_path / "published.pt"))
    require_taken(network, state, "head")
    assert f"(names without '{wrapped}') (names with 'backbone.' before them)" in caplog.messages[0]


@pytest.mark.parametrize("bundle", ["tube_detection", "uncertain_labels"])
@pytest.mark.parametrize("kind", ["timm's safetensors", "torchvision's names", "torchvision's published names"])
def test_weights_of_a_backbone_are_taken_under_any_published_names(bundle: str, kind: str, tmp_path: Path) -> None:
    state = state_of(of_torchvision("densenet121") if "torchvision" in kind else of_timm("densenet121"))
    path = tmp_path / ("published.safetensors" if "safetensors" in kind else "published.pth")
    given = old_names(state) if "published" in kind else state
    save_file(given, path) if path.suffix == ".safetensors" else torch.save(given, path)
    (network,) = made(bundle, ("published",), "network_def", weights=str(path))
    require_taken(network, state, "classifier")


def test_safetensors_start_a_network(tmp_path: Path) -> None:
    state = state_of(of_timm("resnetv2_50"))
    save_file(state, tmp_path / "model.safetensors")
    (network,) = made("limited_annotation", ("published",), "network_def")
    require_taken(started_network(network, str(tmp_path / "model.safetensors")), state, "head")


@pytest.mark.parametrize(
    "bundle", sorted(path.parent.parent.name for path in ROOT.glob("bundles/*/configs/train.yaml"))
)
def test_what_a_bundle_ships_starts_its_small_form(bundle: str, caplog) -> None:
    # Findings are others, so the last layers start at random.
    (network,) = made(bundle, (), "network_def")
    with caplog.at_level(logging.INFO):
        started_network(network, str(ROOT / "bundles" / bundle / "models/model.pt"))
    share = float(re.match(r"([\d.]+)%", caplog.messages[0])[1])
    assert share > 80


def test_weights_of_another_network_are_refused_whatever_the_prefix(tmp_path: Path) -> None:
    torch.save(state_of(of_torchvision("densenet121")), tmp_path / "published.pt")
    (network,) = made("limited_annotation", ("published",), "network_def")
    with pytest.raises(
        ValueError, match=r"fits only 0% of this network's numbers; at least 50% must fit, whatever prefix"
    ):
        started_network(network, str(tmp_path / "published.pt"))
