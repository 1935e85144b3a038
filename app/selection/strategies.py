"""Strategies: in which order the images of a pool are worth reading, from what networks predict for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Order = Callable[[Index, int], Index]
"""From the images that are chosen already, and a number, to at least as many further images, the best first."""

RARE = 0.05
"""Findings with a smaller share of present cases are rare."""
ONE_MEMBER = "a committee needs the runs of two seeds or more: name further runs, or another --strategy."
_SMALLEST = 1e-12


def uncertainty(probability: Array) -> Array:
    """How uncertain a network is of each image: entropy in bits, mean over the findings.

    Args:
        probability: (N, C), NaN if an image has no prediction of a finding.

    Returns:
        (N,) from 0 to 1; an image without any prediction counts as certain.

    Example:
        >>> uncertainty(np.array([[0.5, np.nan], [0.5, 1.0]])).tolist()
        [1.0, 0.5]
    """
    return _mean(_entropy(probability))


def disagreement(probability: Array) -> Array:
    """How far a committee's members disagree: what knowing the member says of the answer, mean over the findings.

    Source: Houlsby et al., "Bayesian Active Learning for Classification and Preference Learning", 2011, equation 2.

    Args:
        probability: (members, N, C), NaN if a member says nothing.

    Returns:
        (N,) bits from 0 to 1.

    Raises:
        ValueError: There is one member.

    Example:
        >>> disagreement(np.array([[[0.0], [0.5]], [[1.0], [0.5]]])).tolist()  # sure and opposite; unsure together
        [1.0, 0.0]
    """
    if len(probability) < 2:
        raise ValueError(ONE_MEMBER)
    of_mean = _entropy(member_mean(probability))
    information = of_mean - member_mean(_entropy(probability))
    return _mean(np.maximum(information, 0))


def rare_findings(prevalence: Mapping[str, float]) -> tuple[str, ...]:
    """Findings that are rarer than 5%, the rarest first; if none is, the rarest one.

    Example:
        >>> rare_findings({"Effusion": 0.2, "Nodule": 0.04, "Hernia": 0.01}), rare_findings({"Mass": 0.5, "Edema": 0.3})
        (('Hernia', 'Nodule'), ('Edema',))
    """
    ordered = sorted(prevalence, key=lambda name: prevalence[name])
    return tuple(name for name in ordered if prevalence[name] < RARE) or tuple(ordered[:1])


def by_value(value: Array, seed: int) -> Order:
    """The images with the largest values first; ties in random order.

    Args:
        value: (N,).
        seed: Of the order of ties.
    """
    shuffled = np.random.default_rng(seed).permutation(len(value))
    order = shuffled[np.argsort(-value[shuffled], kind="stable")]
    return lambda chosen, count: _without(order, chosen)


def by_finding(probability: Array, columns: Sequence[int], seed: int) -> Order:
    """In turn the likeliest image of each of some findings.

    Args:
        probability: (N, C), NaN counts as unlikely.
        columns: Findings.
        seed: Of the order of ties.

    Example:
        >>> by_finding(np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.7]]), [0, 1], seed=0)(np.array([], int), 3).tolist()
        [0, 2, 1]
    """
    nothing = np.array([], dtype=np.int64)
    value = np.nan_to_num(probability, nan=-1.0)
    orders = [by_value(value[:, column], seed)(nothing, len(value)) for column in columns]
    order = np.array(list(dict.fromkeys(np.stack(orders, axis=1).ravel().tolist())), dtype=np.int64)
    return lambda chosen, count: _without(order, chosen)


def covering(vectors: Array) -> Order:
    """The image that is farthest from all chosen ones, again and again (greedy k-centre).

    Source: Sener and Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", 2018,
    algorithm 1. The time grows with the number of images times the number of chosen ones.

    Args:
        vectors: (N, D) features of a network, or its scores.

    Example:
        >>> covering(np.array([[0.0], [1.0], [5.0], [9.0]]))(np.array([0]), 2).tolist()
        [3, 2]
    """

    def order(chosen: Index, count: int) -> Index:
        start = chosen if len(chosen) else np.zeros(1, dtype=np.int64)
        distance = np.full(len(vectors), np.inf)
        for index in start:
            distance = np.minimum(distance, _squares(vectors, int(index)))
        distance[chosen] = -1
        picks: list[int] = []
        for _ in range(min(count, len(vectors) - len(chosen))):
            index = int(distance.argmax())
            picks.append(index)
            distance = np.minimum(distance, _squares(vectors, index))
            distance[picks[-1]] = -1
        return np.array(picks, dtype=np.int64)

    return order


def member_mean(values: Array) -> Array:
    """Mean (N, C) over the members (members, N, C) that say something; NaN if none does."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _entropy(probability: Array) -> Array:
    p = np.clip(probability, _SMALLEST, 1 - _SMALLEST)
    bits: Array = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return np.where(bits < 1e-9, 0.0, bits)


def _mean(values: Array) -> Array:
    return np.nan_to_num(member_mean(values.T[:, :, None])[:, 0], nan=0.0)


def _squares(vectors: Array, index: int) -> Array:
    return np.asarray(np.square(vectors - vectors[index]).sum(axis=1))


def _without(order: Index, chosen: Index) -> Index:
    return order[~np.isin(order, chosen)]
