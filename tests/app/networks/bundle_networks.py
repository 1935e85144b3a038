"""Networks and losses of the bundles as their configs make them, at their real depth, without data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

ROOT = Path(__file__).parents[3]


class Findings:
    """What the configs ask of opened data."""

    def __init__(self, *findings: str) -> None:
        self.findings = findings

    def labels(self, section: str) -> list[list[float]]:
        """As many present as absent."""
        return [[1.0] * len(self.findings), [0.0] * len(self.findings)]


def made(bundle: str, forms: tuple[str, ...], *parts: str, **settings: object) -> list[Any]:
    """Parts of a config at the depth that it names, without its data and at random weights."""
    parser = ConfigParser()
    names = ("train", *forms)
    parser.read_config([str(ROOT / "bundles" / bundle / f"configs/{name}.yaml") for name in names])
    parser["data"] = Findings("Effusion", "Nodule")
    if "weights" in parser:
        parser["weights"] = None
    for name, value in settings.items():
        parser[name] = value
    torch.manual_seed(0)
    return [parser.get_parsed_content(part) for part in parts]
