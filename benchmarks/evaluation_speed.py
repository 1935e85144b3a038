"""Speed of the evaluation package against plainer ways, each pair in the same run and with the same results.

    OMP_NUM_THREADS=1 python -m benchmarks.evaluation_speed [--write docs/evaluation.md]

Times are processor seconds, the best of a few repetitions. Everything runs on one core.
"""

from functools import partial

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.report import options, write_between
from benchmarks.timing import shortest
from evaluation.delong import area_covariance, auc_interval, auc_intervals
from evaluation.overlap import probability_histogram
from evaluation.resampling import bootstrap_auc, patient_weights

FINDINGS = 14


def cases(n: int, decimals: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of 14 findings, 1 to 20 per cent present."""
    random = np.random.default_rng(0)
    label = (random.random((n, FINDINGS)) < np.linspace(0.01, 0.2, FINDINGS)).astype(float)
    score = 1 / (1 + np.exp(-random.normal(size=(n, FINDINGS)) - label))
    return (score if decimals is None else np.round(score, decimals)), label


def midranks(values: np.ndarray) -> np.ndarray:
    order = np.argsort(values)
    ordered, ranks, start = values[order], np.empty(len(values)), 0
    while start < len(values):
        stop = start
        while stop < len(values) and ordered[stop] == ordered[start]:
            stop += 1
        ranks[start:stop] = 0.5 * (start + stop - 1) + 1
        start = stop
    result = np.empty(len(values))
    result[order] = ranks
    return result


def delong_by_midranks(score: np.ndarray, label: np.ndarray) -> list[tuple[float, float]]:
    """Sun and Xu's algorithm as it is usually written: every class and both together sorted and ranked, in loops."""
    results = []
    for c in range(score.shape[1]):
        present, absent = score[label[:, c] == 1, c], score[label[:, c] == 0, c]
        m, n = len(present), len(absent)
        together = midranks(np.concatenate([present, absent]))
        v10 = (together[:m] - midranks(present)) / n
        v01 = 1 - (together[m:] - midranks(absent)) / m
        area = v10.mean()
        results.append((area, 1.959964 * np.sqrt(v10.var(ddof=1) / m + v01.var(ddof=1) / n)))
    return results


def auc_with_interval(n: int, decimals: int | None) -> str:
    score, label = cases(n, decimals)
    slow, expected = shortest(lambda: delong_by_midranks(score, label), 2)
    fast, found = shortest(lambda: auc_intervals(score, label), 5)
    areas = area_covariance(score, label)
    reach = 1.959964 * np.sqrt(np.diag(areas.covariance))
    np.testing.assert_allclose(np.stack([areas.auc, reach], axis=1), expected, atol=1e-7)
    np.testing.assert_allclose([r.value for r in found], areas.auc, atol=1e-12)
    ties = "no ties" if decimals is None else f"{decimals} decimals"
    return row(f"AUC with interval, 14 findings, n = {n:,}, {ties}", "midranks in loops", slow, fast, 15)


def clustered_bootstrap(n: int = 25_596, patients: int = 2_797, replicates: int = 1000, few: int = 4) -> str:
    score, label = cases(n, None)
    patient = np.random.default_rng(1).integers(0, patients, n)
    number = np.unique(patient, return_inverse=True)[1]
    images = [np.flatnonzero(number == k) for k in range(number.max() + 1)]

    def by_scikit_learn() -> np.ndarray:
        weights = next(patient_weights(len(images), replicates, 0)).astype(int)
        drawn = [
            np.concatenate([np.tile(i, w) for i, w in zip(images, weights[:, r], strict=True)]) for r in range(few)
        ]
        return np.array([[roc_auc_score(label[i, c], score[i, c]) for c in range(FINDINGS)] for i in drawn])

    slow, expected = shortest(by_scikit_learn, 1)
    fast, found = shortest(lambda: bootstrap_auc(score, label, patient, replicates), 1)
    np.testing.assert_allclose(found.replicates[:few], expected, atol=1e-12)
    name = f"Bootstrap of AUC by patient, {replicates:,} replicates x 14 findings x {n:,} cases"
    return row(name, "scikit-learn a replicate", slow / few * replicates, fast, 50)


def pixel_histogram(kind: type[np.floating], bins: int = 1000) -> str:
    """Pixels of a map inside and outside of a region, in bins whose edges are kept exactly."""
    random = np.random.default_rng(2)
    values, region = random.random((1024, 1024)).astype(kind), random.random((1024, 1024)) < 0.1

    def by_numpy() -> list[np.ndarray]:
        return [np.histogram(values[side], bins, (0, 1))[0] for side in (region, ~region)]

    slow, _ = shortest(by_numpy, 9)
    fast, found = shortest(lambda: probability_histogram(values, region, bins), 9)
    # Without the edges numpy rounds them to the kind of the values, and puts a few pixels into the bin beside theirs.
    edges, exact = np.arange(bins + 1) / bins, values.astype(np.float64)
    np.testing.assert_array_equal(found, [np.histogram(exact[side], edges)[0] for side in (region, ~region)])
    name = f"Pixels inside and outside a region by probability, 1024 x 1024, {bins:,} bins, {kind.__name__}"
    return row(name, "numpy.histogram", slow, fast, 1)


def by_patient(decimals: int | None) -> list[str]:
    """One finding with patients of four images on average, as numbers, against the same without; and its growth."""
    lines, before = [], 0.0
    for n in (10_000, 100_000, 1_000_000):
        random = np.random.default_rng(0)
        label = (random.random(n) < 0.1).astype(float)
        score = 1 / (1 + np.exp(-random.normal(size=n) - label))
        score = score if decimals is None else np.round(score, decimals)
        patient = random.integers(0, n // 4, n)
        repetitions = 4_000_000 // n
        without, alone = shortest(partial(auc_interval, score, label), min(repetitions, 100))
        within, together = shortest(partial(auc_interval, score, label, patient), min(repetitions, 100))
        np.testing.assert_allclose(together.value, alone.value, atol=1e-12)
        ties = "no ties" if decimals is None else f"{decimals} decimals"
        growth = f"{within / before:.1f}" if before else ""
        lines.append(f"| {n:,}, {ties} | {without:.2g} s | {within:.2g} s | {within / without:.1f} | {growth} |")
        before = within
    return lines


def row(name: str, other: str, slow: float, fast: float, wanted: int) -> str:
    ratio = f"{slow / fast:.0f}" if slow > 10 * fast else f"{slow / fast:.1f}"
    return f"| {name} | {other} | {slow:.3g} s | {fast:.3g} s | {ratio} | {wanted} |"


def main() -> None:
    path = options(__doc__).parse_args().write
    lines = ["| what | against | theirs | ours | times faster | wanted |", "|---|---|---|---|---|---|"]
    lines += [auc_with_interval(n, decimals) for n in (10_000, 112_120) for decimals in (None, 3)]
    lines += [clustered_bootstrap(), *(pixel_histogram(kind) for kind in (np.float32, np.float64))]
    lines += ["", "Patients taken together, one finding; at most 2.5 times as long is wanted:", ""]
    lines += ["| cases | without patients | with patients | times as long | growth |", "|---|---|---|---|---|"]
    lines += [*by_patient(None), *by_patient(3)]
    print("\n".join(lines))
    if path:
        write_between("speed", "\n".join(lines), path)


if __name__ == "__main__":
    main()
