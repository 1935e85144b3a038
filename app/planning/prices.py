"""Price lists: what annotating an image costs at each level, what is owned already, and what can be bought."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.annotations.levels import LOCATED
from app.checking.documents import read_document
from app.sweeps.fields import as_mapping, as_text, require_known

_TOP = ("unit", "levels", "upgrades", "owned", "pool", "prevalence")
_PRICE = ("each", "each_positive", "setup", "readers")
_LEVEL = (*_PRICE, "located")
_UPGRADE = ("from", "to", *_PRICE)
_READER = ("each", "each_positive", "share")


@dataclass(frozen=True)
class Purchase:
    """Something that can be bought: unread images annotated at a level, or owned images brought to a better one.

    Attributes:
        level: The level that the images have afterwards.
        each: Mean price of an image, the pool's prevalence considered.
        each_positive: What an image with a finding costs more than one without.
        prevalence: Share of the pool's images with a finding, as far as the price depends on it.
        setup: Paid once if any image is bought.
        before: The level that they have now; empty for images of the pool.
        readers: Share of the images that each reader takes; empty if the list names none.
    """

    level: str
    each: float
    setup: float = 0.0
    before: str = ""
    readers: Mapping[str, float] | None = None
    each_positive: float = 0.0
    prevalence: float = 0.0

    def expected(self, probability: float) -> float:
        """Price of an image that has a finding with this probability.

        Example:
            >>> Purchase("box", each=1.1, each_positive=4, prevalence=0.15).expected(0.5)
            2.5
        """
        return self.each + (probability - self.prevalence) * self.each_positive

    @property
    def name(self) -> str:
        """``box``, or ``image to box`` for an upgrade."""
        return f"{self.before} to {self.level}" if self.before else self.level


@dataclass(frozen=True)
class Prices:
    """A price list.

    Attributes:
        unit: Of all prices: ``minutes``, ``EUR`` or the like.
        purchases: What can be bought.
        owned: Images annotated already, by level.
        pool: Unread images that can still be annotated.
        located: Levels whose images say where findings are.
    """

    unit: str
    purchases: tuple[Purchase, ...]
    owned: Mapping[str, int]
    pool: int
    located: frozenset[str]

    @property
    def levels(self) -> tuple[str, ...]:
        """All levels, bought or owned, in the order of the list."""
        return tuple(dict.fromkeys([*(each.level for each in self.purchases), *self.owned]))


def read_prices(path: Path) -> Prices:
    """Read a price list in YAML; docs/planning.md shows one.

    Raises:
        ValueError: It is wrong; the message names the file, the key, what is allowed and what is there.
    """
    try:
        return _prices(read_document(path))
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(f"{path}:") else f"{path}: {text}") from error


def _prices(content: object) -> Prices:
    if not isinstance(content, dict):
        raise ValueError("must be a mapping with the keys levels and pool.")
    top = as_mapping(content, "prices", _TOP)
    levels = as_mapping(top.get("levels"), "levels")
    if not levels:
        raise ValueError("levels: at least one is needed, such as {image: {each: 0.5}}.")
    prevalence = _number(top["prevalence"], "prevalence", most=1) if "prevalence" in top else None
    purchases = []
    for name, given in levels.items():
        fields = as_mapping(given, f"levels: {name}", _LEVEL)
        purchases.append(_purchase(name, fields, f"levels: {name}", prevalence))
    owned = {name: _count(given, f"owned: {name}") for name, given in as_mapping(top.get("owned"), "owned").items()}
    known = tuple(dict.fromkeys([*levels, *owned]))
    purchases += [_upgrade(each, index, known, prevalence) for index, each in enumerate(_list(top.get("upgrades")))]
    if "pool" not in top:
        raise ValueError("pool: say how many unread images can still be annotated.")
    located = {name for name in known if as_mapping(levels.get(name), name).get("located", name in LOCATED) is True}
    return Prices(
        unit=as_text(top.get("unit", "units")),
        purchases=tuple(purchases),
        owned=owned,
        pool=_count(top["pool"], "pool"),
        located=frozenset(located),
    )


def _upgrade(given: object, index: int, known: tuple[str, ...], prevalence: float | None) -> Purchase:
    where = f"upgrades: {index + 1}"
    fields = as_mapping(given, where, _UPGRADE)
    for key in ("from", "to"):
        require_known([as_text(fields.get(key))], known, f"{where}: {key}")
    before, level = as_text(fields["from"]), as_text(fields["to"])
    if before == level:
        raise ValueError(f"{where}: from and to are both {level!r}.")
    return _purchase(level, fields, where, prevalence, before)


def _purchase(
    level: str, fields: dict[str, object], where: str, prevalence: float | None, before: str = ""
) -> Purchase:
    if not isinstance(fields.get("located", False), bool):
        raise ValueError(f"{where}: located: must be true or false, not {fields['located']!r}.")
    if "readers" in fields:
        if "each" in fields or "each_positive" in fields:
            raise ValueError(f"{where}: give each and each_positive either for the level or for its readers, not both.")
        price, readers = _by_readers(fields["readers"], f"{where}: readers", prevalence)
    else:
        price, readers = _each(fields, where, prevalence), None
    setup = _number(fields.get("setup", 0), f"{where}: setup")
    each, each_positive = price
    return Purchase(level, each, setup, before, readers, each_positive, prevalence or 0.0)


def _by_readers(given: object, where: str, prevalence: float | None) -> tuple[tuple[float, float], dict[str, float]]:
    """Mean prices (see `_each`), and each reader's share; shares that are not given are equal parts of the rest."""
    readers = {
        name: as_mapping(entry if isinstance(entry, dict) else {"each": entry}, f"{where}: {name}", _READER)
        for name, entry in as_mapping(given, where).items()
    }
    if not readers:
        raise ValueError(f"{where}: name at least one, such as {{resident: 0.4}}.")
    stated = {
        name: _number(fields["share"], f"{where}: {name}: share", most=1)
        for name, fields in readers.items()
        if "share" in fields
    }
    rest = 1 - sum(stated.values())
    open_shares = len(readers) - len(stated)
    if rest < -1e-9 or (not open_shares and rest > 1e-9):
        raise ValueError(f"{where}: shares add up to {1 - rest:g}, not 1.")
    shares = {name: stated.get(name, max(rest, 0) / max(open_shares, 1)) for name in readers}
    prices = {name: _each(fields, f"{where}: {name}", prevalence) for name, fields in readers.items()}
    each, each_positive = (sum(shares[name] * prices[name][part] for name in readers) for part in (0, 1))
    return (each, each_positive), shares


def _each(fields: Mapping[str, object], where: str, prevalence: float | None) -> tuple[float, float]:
    """The mean price, and what an image with a finding costs more."""
    if "each" not in fields and "each_positive" not in fields:
        raise ValueError(f"{where}: needs a price, each or each_positive.")
    price, each_positive = _number(fields.get("each", 0), f"{where}: each"), 0.0
    if "each_positive" in fields:
        if prevalence is None:
            raise ValueError(f"{where}: each_positive needs prevalence, the share of the pool's images with a finding.")
        each_positive = _number(fields["each_positive"], f"{where}: each_positive")
        price += prevalence * each_positive
    if price <= 0:
        raise ValueError(f"{where}: the price of an image is {price:g}; it must be above 0.")
    return price, each_positive


def _number(given: object, where: str, most: float = math.inf) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= most or math.isinf(given):
        allowed = f"from 0 to {most:g}" if most < math.inf else "of 0 or more"
        raise ValueError(f"{where}: must be a number {allowed}, not {given!r}.")
    return float(given)


def _count(given: object, where: str) -> int:
    number = _number(given, where)
    if number != int(number):
        raise ValueError(f"{where}: must be a whole number of images, not {given!r}.")
    return int(number)


def _list(given: object) -> list[object]:
    if given is None:
        return []
    if not isinstance(given, list):
        raise ValueError(f"upgrades: must be a list of {{from: LEVEL, to: LEVEL, each: PRICE}}, not {given!r}.")
    return given
