"""Images of one study, found by patient and study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.studies import Studies, group_by_study


def studies_of(visited: Sequence[Mapping[str, Any]]) -> Studies | None:
    """Images by study, in the order given; None where every study has one image.

    An image without the name of a study is a study of its own.
    """
    studies = group_by_study([_study(sample, number) for number, sample in enumerate(visited)])
    return None if len(studies.name) == len(visited) else studies


def _study(sample: Mapping[str, Any], number: int) -> str:
    # Studies may be numbered anew for each patient, so the patient belongs to the name.
    return f"{sample['patient']}\n{sample['study']}" if sample.get("study") else f"\n{number}"
