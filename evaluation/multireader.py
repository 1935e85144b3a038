"""Several readers of the same cases: modalities compared by the method of Obuchowski and Rockette.

Every reader reads every case in every modality. The figures of merit of modalities and readers are analysed by
variance, with errors that are correlated because the cases are the same.

Source: Obuchowski and Rockette, "Hypothesis testing of diagnostic accuracy for multiple readers and multiple tests: an
ANOVA approach with dependent observations", 1995, with the degrees of freedom of Hillis, "A comparison of denominator
degrees of freedom methods for multiple observer ROC analysis", 2007, and the formulas of Hillis, "A marginal-mean ANOVA
approach for analyzing multireader multicase radiological imaging data", Statistics in Medicine 33, 2014.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import FloatArray, Interval
from evaluation.distributions import normal_quantile, t_quantile
from evaluation.permutation import holm

NO_VARIANCE = 1e-14
"""A variance below it is rounding."""


@dataclass(frozen=True)
class Population:
    """To whom results apply.

    Attributes:
        readers: Whether the readers stand for others like them, or results are about these readers alone.
        cases: The same for the cases.
    """

    readers: bool = True
    cases: bool = True


@dataclass(frozen=True)
class Components:
    """Variance components of T modalities and R readers.

    Attributes:
        reader: Variance of readers; an estimate below 0 is kept, as it is unbiased.
        modality_by_reader: Variance of how differently readers take to a modality.
        error: Variance of one reader's figure of merit in one modality over samples of cases.
        covariance_same_reader: Cov1, between modalities of one reader.
        covariance_same_modality: Cov2, between readers of one modality.
        covariance_different: Cov3, between readers of different modalities.
    """

    reader: float
    modality_by_reader: float
    error: float
    covariance_same_reader: float
    covariance_same_modality: float
    covariance_different: float


@dataclass(frozen=True)
class OverallTest:
    """Whether any modality differs: F, or chi-squared (divided by its degrees of freedom) if readers are fixed.

    Attributes:
        statistic: The ratio of mean squares.
        numerator_freedom: Modalities - 1.
        denominator_freedom: Infinite if readers are fixed.
        p: Two-sided.
    """

    statistic: float
    numerator_freedom: int
    denominator_freedom: float
    p: float


@dataclass(frozen=True)
class ModalityDifference:
    """Two modalities, averaged over readers.

    Attributes:
        first: Index of modality A.
        second: Index of B.
        difference: A - B.
        error: Standard error.
        freedom: Degrees of freedom.
        p: Two-sided, of this pair alone.
        p_holm: Corrected over all pairs.
    """

    first: int
    second: int
    difference: Interval
    error: float
    freedom: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class MultiReader:
    """T modalities read by R readers.

    Attributes:
        figure: (T, R) figures of merit.
        modalities: T intervals of the means over readers, each from its modality's data alone.
        differences: One for each pair of modalities.
        test: Of all modalities together; None for a single one.
        components: None if cases are fixed, as there is no error then, or if there is a single reader or modality.
        by_reader: For fixed readers, one tuple for each reader of the differences of its pairs.
    """

    figure: FloatArray
    modalities: tuple[Interval, ...]
    differences: tuple[ModalityDifference, ...]
    test: OverallTest | None
    components: Components | None
    by_reader: tuple[tuple[ModalityDifference, ...], ...]


def obuchowski_rockette(
    figure: ArrayLike, covariance: ArrayLike, population: Population | None = None, level: float = 0.95
) -> MultiReader:
    """Compare modalities that several readers read on the same cases.

    Example:
        >>> figure = [[0.80, 0.84, 0.86], [0.90, 0.88, 0.95]]
        >>> result = obuchowski_rockette(figure, 1e-4 * (np.eye(6) + 0.5))
        >>> [pair] = result.differences
        >>> round(pair.difference.value, 3), round(pair.p, 3), round(pair.freedom, 1)
        (-0.077, 0.054, 2.0)

    Args:
        figure: (T, R) figures of merit of modalities and readers.
        covariance: (T * R, T * R) of the figures over samples of cases, in the order of ``figure.ravel()``.
        population: Readers and cases are both random by default.
        level: Confidence.

    Raises:
        ValueError: The shapes do not fit, a figure is undefined, there is a single random reader, or nothing is random.
    """
    values, among = np.asarray(figure, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    population = population or Population()
    _require(values, among, population)
    modalities, readers = values.shape
    among = among.reshape(modalities, readers, modalities, readers)
    squares = _MeanSquares.of(values)
    parts = _Covariances.of(among)
    variance, freedom = _denominator(squares, parts, population)
    pairs = list(itertools.combinations(range(modalities), 2))
    means = values.mean(axis=1)
    is_certain = population.cases and parts.error <= NO_VARIANCE
    differences = [
        _pair(pair, means, 2 * variance / readers, (math.nan if is_certain else freedom), level) for pair in pairs
    ]
    return MultiReader(
        figure=values,
        modalities=tuple(_modality(values[i], among[i, :, i], population, level) for i in range(modalities)),
        differences=_corrected(differences),
        test=_overall(squares, variance, freedom, is_certain) if pairs else None,
        components=_components(squares, parts) if population.cases and pairs and readers > 1 else None,
        by_reader=tuple(_of_readers(values, among, pairs, level))
        if population.cases and not population.readers
        else (),
    )


@dataclass(frozen=True)
class _MeanSquares:
    """Mean squares of the analysis of variance; 0 without a degree of freedom."""

    modality: float
    reader: float
    interaction: float
    shape: tuple[int, int]

    @classmethod
    def of(cls, figure: FloatArray) -> "_MeanSquares":
        t, r = figure.shape
        of_modality, of_reader, overall = figure.mean(axis=1), figure.mean(axis=0), figure.mean()
        rest = figure - of_modality[:, None] - of_reader + overall
        return cls(
            modality=r * float(np.square(of_modality - overall).sum()) / max(t - 1, 1),
            reader=t * float(np.square(of_reader - overall).sum()) / max(r - 1, 1),
            interaction=float(np.square(rest).sum()) / max((t - 1) * (r - 1), 1),
            shape=(t, r),
        )


@dataclass(frozen=True)
class _Covariances:
    """Error variance, Cov1, Cov2 and Cov3: means over the figures to which each applies; 0 if there are none."""

    error: float
    same_reader: float
    same_modality: float
    different: float

    @classmethod
    def of(cls, among: FloatArray) -> "_Covariances":
        t, r = among.shape[:2]
        other_modality = ~np.eye(t, dtype=bool)[:, None, :, None]
        other_reader = ~np.eye(r, dtype=bool)[None, :, None, :]
        choices = (
            ~other_modality & ~other_reader,
            other_modality & ~other_reader,
            ~other_modality & other_reader,
            other_modality & other_reader,
        )
        return cls(*(float(among[chosen].mean()) if chosen.any() else 0.0 for chosen in choices))


def _denominator(squares: _MeanSquares, parts: _Covariances, population: Population) -> tuple[float, float]:
    """What the mean square of modalities is divided by, and its degrees of freedom."""
    t, r = squares.shape
    between_readers = max(parts.same_modality - parts.different, 0.0)
    if not population.readers:
        return parts.error - parts.same_reader + (r - 1) * between_readers, math.inf
    variance = squares.interaction + (r * between_readers if population.cases else 0.0)
    return variance, _hillis(variance, squares.interaction, (t - 1) * (r - 1))


def _hillis(variance: float, square: float, freedom: int) -> float:
    """Hillis's degrees of freedom of a variance that contains a mean square with ``freedom``."""
    return freedom * (variance / square) ** 2 if square > NO_VARIANCE else math.inf


def _modality(figure: FloatArray, among: FloatArray, population: Population, level: float) -> Interval:
    """The mean over readers of one modality, from its own data; limits are cut at 0 and 1."""
    r = len(figure)
    error = float(np.trace(among)) / r
    between = max(float(among.sum() - np.trace(among)) / (r * (r - 1)), 0.0) if r > 1 else 0.0
    if population.readers:
        square = float(figure.var(ddof=1))
        variance = square + (r * between if population.cases else 0.0)
        freedom = _hillis(variance, square, r - 1)
    else:
        variance, freedom = error + (r - 1) * between, math.inf
    mean = float(figure.mean())
    if not variance > NO_VARIANCE or (population.cases and error <= NO_VARIANCE):
        return Interval(mean, math.nan, math.nan)
    half = _quantile(level, freedom) * math.sqrt(variance / r)
    return Interval(mean, max(mean - half, 0.0), min(mean + half, 1.0))


def _of_readers(
    figure: FloatArray, among: FloatArray, pairs: list[tuple[int, int]], level: float
) -> Iterator[tuple[ModalityDifference, ...]]:
    """The pairs of modalities for each reader by itself, from the reader's own data."""
    for j in range(figure.shape[1]):
        parts = _Covariances.of(among[:, j : j + 1, :, j : j + 1])
        freedom = math.inf if parts.error > NO_VARIANCE else math.nan
        variance = 2 * (parts.error - parts.same_reader)
        yield _corrected([_pair(pair, figure[:, j], variance, freedom, level) for pair in pairs])


def _pair(
    pair: tuple[int, int], means: FloatArray, variance: float, freedom: float, level: float
) -> ModalityDifference:
    """A difference with its test; freedom of NaN if the figures do not vary at all, which shows nothing."""
    value = float(means[pair[0]] - means[pair[1]])
    if math.isnan(freedom) or (variance <= NO_VARIANCE and abs(value) > math.sqrt(NO_VARIANCE)):
        return ModalityDifference(*pair, Interval(value, math.nan, math.nan), math.nan, math.nan, math.nan, math.nan)
    if variance <= NO_VARIANCE:  # every reader scored alike in both
        return ModalityDifference(*pair, Interval(0.0, 0.0, 0.0), 0.0, freedom, 1.0, math.nan)
    error = math.sqrt(variance)
    half = _quantile(level, freedom) * error
    p = _f_tail(1, freedom, (value / error) ** 2)
    return ModalityDifference(*pair, Interval(value, value - half, value + half), error, freedom, p, math.nan)


def _overall(squares: _MeanSquares, variance: float, freedom: float, is_certain: bool) -> OverallTest:
    df = squares.shape[0] - 1
    if is_certain or (variance <= NO_VARIANCE and squares.modality > NO_VARIANCE):
        return OverallTest(math.nan, df, math.nan, math.nan)
    if variance <= NO_VARIANCE:
        return OverallTest(0.0, df, freedom, 1.0)
    ratio = squares.modality / variance
    return OverallTest(ratio, df, freedom, _f_tail(df, freedom, ratio))


def _components(squares: _MeanSquares, parts: _Covariances) -> Components:
    between = max(parts.same_modality - parts.different, 0.0)
    reader = (squares.reader - squares.interaction) / squares.shape[0] - parts.same_reader + parts.different
    interaction = squares.interaction - parts.error + parts.same_reader + between
    return Components(reader, interaction, parts.error, parts.same_reader, parts.same_modality, parts.different)


def _corrected(differences: list[ModalityDifference]) -> tuple[ModalityDifference, ...]:
    adjusted = holm([each.p for each in differences]).tolist()
    return tuple(replace(each, p_holm=p) for each, p in zip(differences, adjusted, strict=True))


def _quantile(level: float, freedom: float) -> float:
    return normal_quantile(level) if math.isinf(freedom) else t_quantile(level, freedom)


def _f_tail(numerator: int, denominator: float, ratio: float) -> float:
    from scipy.special import chdtrc, fdtrc

    if math.isinf(denominator):
        return float(chdtrc(numerator, numerator * ratio))
    return float(fdtrc(numerator, denominator, ratio))


def _require(figure: FloatArray, among: FloatArray, population: Population) -> None:
    if figure.ndim != 2 or among.shape != (figure.size, figure.size) or not figure.size:
        raise ValueError(
            f"figures of merit have shape {figure.shape} and their covariance {among.shape}; they must be (modalities, "
            "readers) and a square of their number"
        )
    if np.isnan(figure).any():
        raise ValueError("a figure of merit is undefined: there is no present or no absent case")
    if not (population.readers or population.cases):
        raise ValueError("readers and cases cannot both be fixed: nothing is left that varies")
    if population.readers and figure.shape[1] < 2:
        raise ValueError("a single reader does not show how readers vary: analyse fixed readers")
    if population.cases and np.isnan(among).any():
        raise ValueError("the figures have no variance: there are fewer than two patients with or without the finding")
