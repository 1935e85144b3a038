"""After the labels came back: did the strategy do better than the random share of its batch?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.datalist.item import Datalist, Item
from app.datalist.stored_images import bare_name
from app.selection.selection import CHOSEN_BY, RANDOM, SELECTION
from app.selection.strategies import Array
from app.selection.used import Used, file_of
from evaluation.cases import Interval
from evaluation.distributions import wilson_interval

_DRAWS = 20_000
MATERIAL = 0.25
"""A smaller share of what random reads give is no difference: it tells of the balance of classes, not of learning."""
_LEVEL = 0.95


@dataclass(frozen=True)
class Found:
    """What one part of a batch turned out to be, for one finding.

    Attributes:
        present: Images with the finding.
        known: Images of which a reader said whether it is there.
    """

    present: int
    known: int

    @property
    def share(self) -> Interval:
        """Share of images with the finding, with Wilson's interval of 95%."""
        return wilson_interval(self.present, self.known, _LEVEL)


@dataclass(frozen=True)
class FindingGain:
    """A strategy against random patients, for one finding.

    Attributes:
        finding: Its name.
        random: What the random share found.
        chosen: What the strategy found.
        by_random: Effective cases that as many reads of random patients would have added to the training labels.
        by_chosen: Effective cases that the strategy's reads added.
        difference: The second less the first.
    """

    finding: str
    random: Found
    chosen: Found
    by_random: Interval
    by_chosen: Interval
    difference: Interval


@dataclass(frozen=True)
class Verdict:
    """A strategy against random patients.

    Attributes:
        strategy: Its name.
        gains: By finding.
        difference: Mean over the findings of the effective cases gained over random.
        unread: Chosen images that did not come back.
    """

    strategy: str
    gains: tuple[FindingGain, ...]
    difference: Interval
    unread: int

    @property
    def words(self) -> str:
        """Better than random or worse, if it certainly is by a quarter of what random reads give; or neither."""
        margin = MATERIAL * float(np.mean([gain.by_random.value for gain in self.gains]))
        if self.difference.lower > margin:
            return "better than random"
        return "worse than random" if self.difference.upper < -margin else "no better than random"


def effective(present: Array | float, absent: Array | float) -> Array:
    """How many cases, half of them with the finding, are worth as much: 4 P A / (P + A).

    The variance of an area under the ROC curve falls with present and with absent cases, about as 1 / P + 1 / A (Hanley
    and McNeil, 1982), which is 4 over this number.

    Example:
        >>> effective(50, 50).item(), effective(2, 98).item()
        (100.0, 7.84)
    """
    total = np.asarray(present, dtype=float) + absent
    return np.asarray(4 * np.asarray(present) * np.asarray(absent) / np.where(total > 0, total, 1))


def verdict(chosen: Used, labelled: Used) -> Verdict:
    """Compare the strategy's images with the random ones by what readers said of them.

    Args:
        chosen: The datalist that ``frugal next`` wrote.
        labelled: The labels that came back. Images are matched by the file that they are or, if that fails, by file
            name without suffix.

    Raises:
        ValueError: The first datalist was not written by ``frugal next``, or was random throughout; no image or finding
            came back; or none of one part of the batch did.
    """
    facts = chosen.datalist.provenance.get(SELECTION)
    if not isinstance(facts, dict):
        raise ValueError(f"{chosen.path}: was not written by frugal next: nothing says how its images were chosen.")
    strategy = str(facts.get("strategy"))
    if strategy == RANDOM:
        raise ValueError(f"{chosen.path}: all images were drawn at random; there is no strategy to evaluate.")
    known = labelled.datalist.findings
    wanted = [str(name) for name in facts.get("findings", ())]
    names = [name for name in wanted if name in known]
    back = _matched(chosen, labelled)
    if not back or not names:
        what = f"findings ({', '.join(wanted)})" if back else "images, neither by file nor by file name"
        raise ValueError(f"{labelled.path}: has none of the {what} of {chosen.path}.")
    labels = {part: [read.label for item, read in back if _is_random(item) is part] for part in (True, False)}
    for part, words in ((True, "random ones"), (False, "strategy's own")):
        if not labels[part]:
            raise ValueError(f"{labelled.path}: none of the {words} among the chosen images came back so far.")
    gains, draws = [], []
    for name in names:
        column = known.index(name)
        random, found = (_found([label[column] for label in labels[part]]) for part in (True, False))
        if random.known and found.known:
            gain, drawn = _gain(name, random, found, _trained(facts, name))
            gains.append(gain)
            draws.append(drawn)
    if not gains:
        raise ValueError(f"{labelled.path}: no reader said anything of {', '.join(names)} in both parts of the batch.")
    unread = len(chosen.datalist.items()) - len(back)
    return Verdict(strategy, tuple(gains), _interval(np.mean(draws, axis=0)), unread)


def _matched(chosen: Used, labelled: Used) -> list[tuple[Item, Item]]:
    """Pairs of a chosen item and the one that came back."""
    files = {file_of(item, labelled): item for item in labelled.datalist.items()}
    bare = _unique_names(labelled.datalist)
    own = _unique_names(chosen.datalist)
    pairs = []
    for item in chosen.datalist.items():
        name = bare_name(item.image)
        read = files.get(file_of(item, chosen)) or (bare.get(name) if name in own else None)
        pairs += [(item, read)] if read is not None else []
    return pairs


def _unique_names(datalist: Datalist) -> dict[str, Item]:
    """Items by bare name, without names that several have."""
    count = Counter(bare_name(item.image) for item in datalist.items())
    return {name: item for item in datalist.items() if count[name := bare_name(item.image)] == 1}


def _is_random(item: Item) -> bool:
    return item.attributes.get(CHOSEN_BY) == RANDOM


def _found(labels: Sequence[float]) -> Found:
    present = sum(value > 0.5 for value in labels)
    return Found(present, present + sum(0 <= value < 0.5 for value in labels))


def _trained(facts: Mapping[str, Any], finding: str) -> tuple[int, int]:
    trained = facts.get("trained")
    pair = trained.get(finding, (0, 0)) if isinstance(trained, dict) else (0, 0)
    return int(pair[0]), int(pair[1])


def _gain(finding: str, random: Found, chosen: Found, trained: tuple[int, int]) -> tuple[FindingGain, Array]:
    """Posterior shares (Jeffreys' prior) of both parts, and what as many reads of each add to the training labels."""
    generator = np.random.default_rng(0)
    before = effective(*trained)
    added = []
    for part in (random, chosen):
        share = generator.beta(part.present + 0.5, part.known - part.present + 0.5, _DRAWS)
        present = trained[0] + chosen.known * share
        added.append(effective(present, trained[1] + chosen.known * (1 - share)) - before)
    difference = added[1] - added[0]
    by_random, by_chosen = map(_interval, added)
    return FindingGain(finding, random, chosen, by_random, by_chosen, _interval(difference)), difference


def _interval(draws: Array) -> Interval:
    tail = (1 - _LEVEL) / 2
    lower, middle, upper = np.quantile(draws, (tail, 0.5, 1 - tail)).tolist()
    return Interval(middle, lower, upper)
