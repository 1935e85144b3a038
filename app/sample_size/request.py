"""What a user states of a planned study, and what cannot be planned for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evaluation.power import normal_scores

OBSERVED = (
    "the power that a study had for what it saw is its p-value in another form and says nothing new (Hoenig and "
    "Heisey, The American Statistician 55, 2001). To judge a study that is done, read its interval"
)
DECIMALS = 3
"""A difference that is stated to so many places and is the pilot's was not chosen because it matters."""


@dataclass(frozen=True)
class Request:
    """What all questions share.

    Attributes:
        power: Wanted.
        level: Confidence of two-sided intervals, and 1 less the level of two-sided tests.
        tests: Over how many findings and models Holm's method will correct, whose first step divides the level by it.
        prevalence: Share of the patients who have the finding; None for that of the pilot.
        design_effect: By how much several images a patient raise the variance; a pilot shows it by itself.
        formula: For the variance of a stated area.

    Raises:
        ValueError: A number is impossible; names the option.
    """

    power: float = 0.8
    level: float = 0.95
    tests: int = 1
    prevalence: float | None = None
    design_effect: float = 1.0
    formula: Callable[[float], tuple[float, float]] = normal_scores

    def __post_init__(self) -> None:
        for name, value in (("power", self.power), ("level", self.level), ("prevalence", self.prevalence)):
            if value is not None and not 0 < value < 1:
                raise ValueError(f"--{name} {value:g}: must be above 0 and below 1")
        if self.tests < 1:
            raise ValueError(f"--tests {self.tests}: must be 1 or more")
        if not self.design_effect >= 1:
            raise ValueError(f"--design-effect {self.design_effect:g}: must be 1 or more")
        if self.power <= 1 - self.level:
            raise ValueError(f"--power {self.power:g}: must be above the level of the test, {1 - self.level:g}")

    @property
    def tested_level(self) -> float:
        """Confidence after the correction."""
        return 1 - (1 - self.level) / self.tests


@dataclass(frozen=True)
class Effect:
    """What a comparison is to show: a difference, or non-inferiority within a margin.

    Attributes:
        difference: New - reference: the smallest that matters, or with a margin the true one (None: 0).
        margin: None for a difference.

    Raises:
        ValueError: Neither is stated, or one is impossible.
    """

    difference: float | None
    margin: float | None = None

    def __post_init__(self) -> None:
        if self.margin is None and self.difference is None:
            raise ValueError(
                "say by --difference which difference is the smallest that matters, or by --margin how much worse does "
                f"not matter. It is not taken from a pilot: {OBSERVED}"
            )
        if self.margin is None and not self.true:
            raise ValueError(
                "--difference 0: no study shows a difference that is not there. State the smallest that matters, or "
                "plan for non-inferiority by --margin"
            )
        if not -1 < self.true < 1:
            raise ValueError(f"--difference {self.true:g}: must lie between -1 and 1")
        if self.margin is not None and not 0 < self.margin < 1:
            raise ValueError(f"--margin {self.margin:g}: must be above 0 and below 1")
        if self.margin is not None and self.true <= -self.margin:
            raise ValueError(
                f"--difference {self.true:g} with --margin {self.margin:g}: a model that is worse by the margin is "
                "inferior, and no study shows otherwise"
            )

    @property
    def true(self) -> float:
        """The true difference that is planned for."""
        return self.difference or 0.0

    def refuse_observed(self, observed: float) -> None:
        """Raise ValueError if the stated difference is the one that the pilot saw."""
        text = f"{abs(self.true):.10f}".rstrip("0")
        places = len(text.partition(".")[2])
        if self.margin is None and places >= DECIMALS and round(abs(observed), places) == round(abs(self.true), places):
            raise ValueError(
                f"--difference {self.true:g} is what the pilot saw ({observed:+.4f}): {OBSERVED}. State the smallest "
                "difference that matters, whatever the pilot saw"
            )

    def facts(self) -> dict[str, object]:
        """For JSON."""
        return {"difference": self.true, "margin": self.margin}

    def aim(self, measure: str, request: Request) -> str:
        """The beginning of a sentence: what is shown, with which power, and by which test."""
        level = request.tested_level
        if self.margin is None:
            direction = "higher" if self.true > 0 else "lower"
            claim = f"that the new model's {measure} is {direction}, if it truly is by {abs(self.true):g}"
            return shown(claim, request)
        truth = f"truly differs by {self.true:g}" if self.true else "truly is the same"
        claim = f"that the new model's {measure} is not lower by {self.margin:g} or more, if it {truth}"
        return (
            f"To show with a power of {percent(request.power)} {claim} (one-sided test at {percent((1 - level) / 2)})"
        )


def shown(claim: str, request: Request) -> str:
    """The beginning of a sentence about what a two-sided test is to show."""
    test = f"two-sided test at {percent(1 - request.tested_level)}"
    return f"To show with a power of {percent(request.power)} {claim} ({test})"


def percent(share: float) -> str:
    """A share in percent, with at most three digits: ``0.357%``."""
    return f"{100 * share:.3g}%"
