"""Measurements of chest-radiograph models: pure functions over arrays, with intervals and tests.

Usable alone, on any model's predictions; needs numpy and nothing else.
"""

from evaluation.cases import Counts, Interval
from evaluation.overlap import aggregated_dice, dice, iou
from evaluation.roc import auc, auc_per_finding

__all__ = ["Counts", "Interval", "aggregated_dice", "auc", "auc_per_finding", "dice", "iou"]
