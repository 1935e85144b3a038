"""Which localisation accuracies a run logs."""

from app.engines.results import accuracies_to_log, flat
from evaluation.localisation import CORRECT_FROM


def test_each_finding_at_a_tenth_and_macros_above():
    entry = {"Nodule": {"value": 0.5}, "Mass": {"value": 0.7}, "macro": {"value": 0.6}}
    by_least = {f"T {least}": entry for least in CORRECT_FROM}
    logged = flat(accuracies_to_log({"iou_accuracy": by_least, "ior_accuracy": by_least, "auc": entry}))
    names = {f"{measure}.T 0.1.{name}" for measure in ("iou_accuracy", "ior_accuracy") for name in entry}
    names |= {f"{m}.T {least}.macro" for m in ("iou_accuracy", "ior_accuracy") for least in (0.2, 0.3, 0.4, 0.5)}
    assert logged.keys() == names
    assert logged["iou_accuracy.T 0.1.Mass"] == 0.7


def test_nothing_located_logs_nothing():
    assert accuracies_to_log({"auc": {}}) == {}
