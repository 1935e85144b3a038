"""The settings about operating points: what is read, and what is refused with words."""

import pytest

from app.checking.operating_points import ThresholdRule, prevalence_problem, threshold_rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("youden", ThresholdRule("youden", 0.0)),
        ("sensitivity 0.95", ThresholdRule("sensitivity", 0.95)),
        ("specificity 1", ThresholdRule("specificity", 1.0)),
        (" specificity  .9 ", ThresholdRule("specificity", 0.9)),
    ],
)
def test_rules_are_read(text, rule):
    assert threshold_rule(text) == rule


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Youden",
        "sensitivity",
        "sensitivity 0",
        "sensitivity 95",
        "sensitivity 0.9.5",
        "recall 0.9",
        0.95,
        ["youden"],
    ],
    ids=str,
)
def test_anything_else_is_refused(value):
    with pytest.raises(ValueError, match="operating_point is youden, or sensitivity or specificity") as caught:
        threshold_rule(value)
    assert repr(value) in str(caught.value)


def test_rules_are_told_in_words():
    words = [threshold_rule(text).words for text in ("youden", "sensitivity 0.95", "specificity 0.9")]
    assert words == [
        "the highest sensitivity + specificity (Youden's point)",
        "a sensitivity of at least 0.95, with the highest specificity",
        "a specificity of at least 0.9, with the highest sensitivity",
    ]


@pytest.mark.parametrize("value", [None, {}, {"Nodule": 0.02, "Mass": 0.5}], ids=str)
def test_prevalences_between_0_and_1_are_no_problem(value):
    assert prevalence_problem(value) == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.02, "gives a share for each finding"),
        ([0.02], "gives a share for each finding"),
        ({"Nodule": 1}, "prevalence of Nodule is 1;"),
        ({"Nodule": 0.1, "Mass": 0}, "prevalence of Mass is 0;"),
        ({"Nodule": "0.02"}, "prevalence of Nodule is '0.02';"),
        ({"Nodule": True}, "prevalence of Nodule is True;"),
        ({"Nodule": float("nan")}, "prevalence of Nodule is nan;"),
    ],
    ids=str,
)
def test_other_prevalences_are_named(value, words):
    assert words in prevalence_problem(value)
