"""The training configs say what sets a bundle apart; what all bundles have in common is in Python."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(ROOT.glob("bundles/*/configs/train.yaml"))
LONGEST = 120


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.parts[-3])
def test_a_config_has_at_most_120_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


def parts(path: Path) -> list[list[str]]:
    """The lines of a config without comments, cut into what precedes and follows its settings and its workflows."""
    lines = [re.sub(r"(^|\s+)# .*|#$", "", line) for line in path.read_text().splitlines()]
    lines = [line for line in lines if line]
    settings, device, training = (
        lines.index(line) for line in ("datalist: null", "device: $engines.default_device()", "training:")
    )
    assert settings < device < training == len(lines) - 4
    return [lines[:settings], lines[device + 1 : training]]


def test_no_three_lines_in_a_row_are_the_same_in_all_configs() -> None:
    runs = [{tuple(part[at : at + 3]) for part in parts(path) for at in range(len(part) - 2)} for path in CONFIGS]
    assert set.intersection(*runs) == set()
