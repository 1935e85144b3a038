"""Outputs of a pass over two findings, and the samples that they are of."""

import numpy as np

from app.engines.outputs import BINS, Outputs
from app.engines.record import ModelRecord
from evaluation.logits import logit_of

N = 40
RECORD = ModelRecord(("Nodule", "Mass"), {}, (0.45, 0.65), (0.5, 0.5))


def histogram(values: list[float]) -> np.ndarray:
    return np.bincount(np.array([round(value * BINS) for value in values], dtype=int), minlength=BINS).astype(np.int32)


def located(*images: tuple[int, list[float], list[float]]) -> dict[str, np.ndarray]:
    """(finding, probabilities inside, outside) of the first images."""
    return {
        "located_row": np.arange(len(images)),
        "located_finding": np.array([finding for finding, _, _ in images], dtype=np.int64),
        "inside": np.array([histogram(inside) for _, inside, _ in images], dtype=np.int32).reshape(-1, BINS),
        "outside": np.array([histogram(outside) for _, _, outside in images], dtype=np.int32).reshape(-1, BINS),
        "missed": np.zeros(len(images)),
        "hit": np.array(
            [max(inside, default=0) > max(outside, default=0) for _, inside, outside in images], dtype=bool
        ),
    }


def outputs(findings: int = 2, **changes: np.ndarray) -> Outputs:
    generator = np.random.default_rng(0)
    score = generator.random((N, findings)).round(1)
    label = (generator.random((N, findings)) < 0.3 + 0.4 * score).astype(np.float32)
    given = {"index": np.arange(N), "score": score, "label": label} | located() | changes
    return Outputs(logit=logit_of(given.pop("score")), **given)


def samples(views: tuple[str, ...] = ("PA",), count: int = N, **attributes: list) -> list[dict]:
    """Items of one patient each; an attribute has one value per item, None if the item lacks it."""
    return [
        {
            "name": f"{i}.png",
            "patient": str(i),
            "study": "",
            "view": views[i % len(views)],
            "source": "reader",
            "attributes": {name: values[i] for name, values in attributes.items() if values[i] is not None},
        }
        for i in range(count)
    ]


def of_patients(names: list[str]) -> list[dict]:
    return [sample | {"patient": name} for sample, name in zip(samples(count=len(names)), names, strict=True)]


def with_unknown() -> Outputs:
    given = outputs()
    given.label[:5, 1] = -1
    given.label[5:8, 1] = -2
    return given
