"""Names and values in the form that MLflow takes."""

import pytest

from app.tracking.names import LONGEST_NAME, LONGEST_VALUE, clean, flatten, shorten


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("val/auc.Nodule", "val/auc.Nodule"),
        ("auc (Nodule)", "auc _Nodule_"),
        ("dice+bce", "dice_bce"),
        ("auc:macro", "auc_macro"),
        ("/val//auc/", "val/auc"),
        ("../auc", "auc"),
        ("Erguß", "Erguß"),
    ],
)
def test_clean(name, expected):
    # By hand from MLflow's rule: letters, digits, _ . - space and single inner slashes.
    assert clean(name) == expected


def test_clean_takes_what_mlflow_takes():
    from mlflow.utils.validation import _validate_metric_name

    for name in ["a(b)", "x+y", "../up", "a//b", "a" * 400, "50%", "p<0.05", "tab\tname"]:
        _validate_metric_name(clean(name))


def test_clean_keeps_long_names_distinct():
    first, second = clean("a" * 300), clean("a" * 301)
    assert first != second
    assert len(first) == len(second) == LONGEST_NAME


def test_clean_refuses_nothing_left():
    with pytest.raises(ValueError, match="is not a name for a metric or parameter"):
        clean("//")


def test_flatten():
    nested = {"optimizer": {"lr": 1e-4, "betas": [0.9, 0.999]}, "seed": 0, "empty": {}}
    assert flatten(nested) == {"optimizer.lr": "0.0001", "optimizer.betas": "[0.9, 0.999]", "seed": "0", "empty": "{}"}


def test_shorten_cuts_to_the_limit_and_keeps_values_distinct():
    long, longer = shorten("x" * 7000), shorten("x" * 7001)
    assert len(long) == len(longer) == LONGEST_VALUE
    assert long != longer
    assert shorten("x" * LONGEST_VALUE) == "x" * LONGEST_VALUE
