"""Split a datalist by patient, evenly for all findings at once, or into folds; one seed gives one split."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from app.datalist.fingerprint import split_fingerprint
from app.datalist.item import SECTIONS, Datalist, Item
from app.datalist.people import normalised
from app.datalist.stratify import stratified

Shares = tuple[float, float, float]
DEFAULT_SHARES: Shares = (0.7, 0.1, 0.2)
_METHOD = "by patient, stratified over findings, locations and views"


def complete_split(datalist: Datalist, shares: Shares | None, seed: int) -> Datalist:
    """Give a newly built datalist the sections that it lacks, or the shares that are asked for.

    Without ``shares``, a data set that has only a training section is split by ``DEFAULT_SHARES``, one with a test but
    no validation section gets one from its training section, and any other stays as it is. With ``shares``, a given
    test section stays too, but ``0, 0, 1`` puts everything into test.
    """
    training, validation, test = (datalist.sections.get(section, []) for section in SECTIONS)
    keeps_test = shares is None or shares[0] + shares[1] > 0
    if test and training and not validation and keeps_test:
        return split_rest(datalist, shares or DEFAULT_SHARES, seed)
    if shares is not None or not (validation or test):
        return split(datalist, shares or DEFAULT_SHARES, seed)
    return _with_sections(datalist, datalist.sections, {"method": "the data set's own"})


def require_shares(shares: Sequence[float]) -> None:
    """Refuse shares of training, validation and test that do not add up to 1; any two of them may be 0.

    Raises:
        ValueError: There are not three, one is no number from 0 to 1, or the sum is not 1.
    """
    if len(shares) != len(SECTIONS) or not all(0 <= share <= 1 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(
            f"split {','.join(f'{share:g}' for share in shares)}: must be three shares from 0 to 1, for training, "
            "validation and test, together 1, such as 0.7,0.1,0.2, or 0,0,1 for test alone."
        )


def split(datalist: Datalist, shares: Shares, seed: int) -> Datalist:
    """Share all items out among training, validation and test, whole patients at a time.

    Args:
        datalist: Its present sections do not matter, nor does the order of its items.
        shares: Of the images, for training, validation and test; see :func:`require_shares`.
        seed: Another seed gives another split.

    Returns:
        A new datalist, whose provenance gives method, shares, seed and fingerprint of the split.

    Example:
        >>> items = [Item(f"{number}.png", str(number), (number % 2,)) for number in range(10)]
        >>> made = split(Datalist.unsplit("wards", ("Nodule",), items), (0.6, 0.2, 0.2), seed=0)
        >>> [len(section) for section in made.sections.values()]
        [6, 2, 2]
    """
    require_shares(shares)
    parts = stratified(_sorted_items(datalist), shares, seed)
    facts = {"method": _METHOD, "shares": list(shares), "seed": seed}
    return _with_sections(datalist, dict(zip(SECTIONS, parts, strict=True)), facts)


def split_rest(datalist: Datalist, shares: Shares, seed: int) -> Datalist:
    """Keep the test section and share the rest out between training and validation, in their proportion.

    Raises:
        ValueError: Wrong shares, or 0 for both training and validation.
    """
    require_shares(shares)
    training, validation, _ = shares
    if not training + validation:
        raise ValueError(f"{datalist.name}: with shares of 0 for training and validation, nothing can have the rest.")
    rest = [*datalist.sections["training"], *datalist.sections["validation"]]
    parts = stratified(rest, (training / (training + validation), validation / (training + validation)), seed)
    sections = {"training": parts[0], "validation": parts[1], "test": datalist.sections["test"]}
    facts = {"method": f"given test section, the rest {_METHOD}", "shares": list(shares[:2]), "seed": seed}
    return _with_sections(datalist, sections, facts)


def folds(datalist: Datalist, k: int, located_only: bool, extra_share: float, seed: int) -> list[Datalist]:
    """Folds for cross-validation, stratified over findings, whole patients at a time.

    Source: the protocol of Rozenberg et al., "Localization with Limited Annotation for Chest X-rays": five folds over
    the images with boxes; trained on four of them and 0% or 20% of all other images, evaluated on the fifth.

    Args:
        datalist: Its present sections do not matter.
        k: Number of folds, 2 or more.
        located_only: Make the folds of only the items with a box or mask. Of the others, every fold's training gets
            ``extra_share``; the rest is left out.
        extra_share: 0 to 1; needs ``located_only``. A fold leaves out extra items of patients in its test section.
        seed: Seed of folds and extra items.

    Returns:
        k datalists with ``training`` and ``test``. The test sections are disjoint and cover all (located) items.
    """
    if k < 2:
        raise ValueError(f"{k} folds: must be 2 or more.")
    if not 0 <= extra_share <= 1 or (extra_share and not located_only):
        raise ValueError(
            f"extra share {extra_share:g}: must be in [0, 1]; it is a share of the items without a location, and so "
            "needs folds of only those with one."
        )
    items = _sorted_items(datalist)
    inside = [item for item in items if item.is_located] if located_only else items
    extra = _random_share([item for item in items if not item.is_located], extra_share, seed)
    parts = stratified(inside, (1 / k,) * k, seed)
    if not all(parts):
        kind = "items with a box or a mask" if located_only else "items"
        count = len({normalised(item.patient) for item in inside})
        raise ValueError(f"{datalist.name}: {len(inside)} {kind} of {count} patients are too few for {k} folds.")
    facts: dict[str, object] = {"seed": seed, "located_only": located_only, "extra_share": extra_share}
    return [_fold(datalist, parts, extra, fold, facts) for fold in range(k)]


def _fold(
    datalist: Datalist, parts: list[list[Item]], extra: list[Item], fold: int, facts: dict[str, object]
) -> Datalist:
    patients = {normalised(item.patient) for item in parts[fold]}
    training = [item for other, part in enumerate(parts) if other != fold for item in part]
    training += [item for item in extra if normalised(item.patient) not in patients]
    sections = {"training": training, "validation": [], "test": parts[fold]}
    used = {item.image for items in sections.values() for item in items}
    if len(used) < len(datalist.items()):
        reason = "images without a box or mask that the fold does not use"
        datalist = datalist.leaving_out(lambda item: "" if item.image in used else reason, [reason])
    facts = {"method": f"folds {_METHOD}", "fold": fold, "folds": len(parts)} | facts
    return _with_sections(datalist, sections, facts)


def with_validation(datalist: Datalist, share: float, seed: int) -> Datalist:
    """Move a share of the training items of a datalist without validation section, such as a fold, there, by patient.

    Raises:
        ValueError: The share is not between 0 and 1, or there are too few patients.
    """
    if not 0 < share < 1:
        raise ValueError(f"validation share {share:g}: must be above 0 and below 1.")
    training, validation = stratified(datalist.sections["training"], (1 - share, share), seed)
    if not training or not validation:
        raise ValueError(f"{datalist.name}: too few patients in training for a validation share of {share:g}.")
    facts = datalist.provenance.get("split", {})
    facts = {**(facts if isinstance(facts, dict) else {}), "validation_share": share}
    return _with_sections(datalist, {**datalist.sections, "training": training, "validation": validation}, facts)


def _random_share(items: list[Item], share: float, seed: int) -> list[Item]:
    chosen = set(random.Random(seed).sample(range(len(items)), round(share * len(items))))
    return [item for index, item in enumerate(items) if index in chosen]


def _sorted_items(datalist: Datalist) -> list[Item]:
    """Every item, sorted by image, so that the order of the file does not matter."""
    return sorted(datalist.items(), key=lambda item: item.image)


def _with_sections(datalist: Datalist, sections: dict[str, list[Item]], facts: dict[str, object]) -> Datalist:
    made = replace(datalist, sections=sections)
    facts["fingerprint"] = split_fingerprint(made)
    made.provenance = datalist.provenance | {"split": facts}
    return made
