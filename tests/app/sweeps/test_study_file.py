"""Reading study files: cells, seeds or folds, and everything that is refused before anything runs."""

from pathlib import Path

import pytest

from app.sweeps.study_file import read_sweep
from app.sweeps.sweep import Folds

CONFIG = {"max_epochs": 3, "learning_rate": 0.1, "train": {"trainer": {}}, "pixel_level": True, "datalist": None}
PHANTOMS = {"phantoms": {"count": 4, "seed": 0}}


def test_every_combination_is_a_cell_with_all_overrides(read):
    sweep = read(
        fixed={"max_epochs": 1, "train#trainer#amp": False},
        factors={
            "form": {"maps": {"pixel_level": True}, "labels": {"pixel_level": False}},
            "learning_rate": [0.1, 0.2],
        },
    )
    assert [cell.name for cell in sweep.cells] == [
        "form=maps,learning_rate=0.1",
        "form=maps,learning_rate=0.2",
        "form=labels,learning_rate=0.1",
        "form=labels,learning_rate=0.2",
    ]
    assert sweep.cells[3].overrides == {
        "max_epochs": 1,
        "train#trainer#amp": False,
        "pixel_level": False,
        "learning_rate": 0.2,
    }
    assert sweep.replicates == (0, 1, 2)
    assert sweep.replicate_word == "seed"


def test_a_value_overrides_what_is_fixed(read):
    sweep = read(fixed={"max_epochs": 1}, factors={"max_epochs": [2]})
    assert sweep.cells[0].overrides == {"max_epochs": 2}


def test_settings_of_every_bundle_can_be_overridden(read):
    fixed = {"pictures": False, "recalibration": "platt", "operating_point": "sensitivity 0.9"}
    assert read(fixed=fixed).cells[0].overrides == fixed


def test_no_factor_is_one_cell(read):
    assert [cell.name for cell in read(fixed={"max_epochs": 1}).cells] == ["all"]


@pytest.mark.parametrize(
    ("key", "left"),
    [("exclude", ["a=1,b=x", "a=1,b=y", "a=2,b=y"]), ("cells", ["a=2,b=x"])],
)
def test_cells_are_named_or_excluded(read, key, left):
    factors = {"a": {1: {}, 2: {}}, "b": {"x": {}, "y": {}}}
    assert [cell.name for cell in read(factors=factors, **{key: [{"a": [2], "b": "x"}]}).cells] == left


def test_steps_of_two_factors_are_joined(read):
    factors = {"level": {"box": {"data": {"level": "box"}}}, "size": {10: {"data": {"images": 10}}}}
    assert read(factors=factors, data=PHANTOMS).cells[0].data == {"level": "box", "images": 10}


def test_folds_stand_in_for_seeds(read):
    sweep = read(data=PHANTOMS, folds={"count": 5, "located_only": True})
    assert sweep.folds == Folds(5, True, 0.1, 0)
    assert sweep.replicates == (0, 1, 2, 3, 4)
    assert sweep.replicate_word == "fold"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"factor": {}}, "unknown 'factor'.*Did you mean 'factors'"),
        ({"name": "a/b"}, "name: 'a/b' is no name"),
        ({"fixed": {"max_epoch": 1}}, "unknown 'max_epoch'.*Did you mean 'max_epochs'"),
        ({"factors": {"learning_rates": [1]}}, "unknown 'learning_rates'"),
        ({"fixed": {"seed": 1}}, "'seed' is set by the study itself"),
        ({"factors": {"learning_rate": ["1e-4"]}}, "YAML reads '1e-4' as text; write it with a point"),
        ({"factors": {"learning_rate": [1, 1]}}, "a value is there twice"),
        ({"factors": {"a": {"x": {"max_epochs": 1}}, "b": {"y": {"max_epochs": 2}}}}, "two factors set 'max_epochs'"),
        ({"factors": {"a": {"x": {"data": {"sise": 3}}}}}, "unknown 'sise'"),
        ({"factors": {"a": {"x": {"data": {"images": 3}}}}}, "need 'data': phantoms or a datalist"),
        ({"data": {"seed": 1}}, "give either 'phantoms' or 'datalist'"),
        ({"data": PHANTOMS, "fixed": {"datalist": "x.json"}}, "names a datalist, but 'data' makes one"),
        ({"data": PHANTOMS, "factors": {"a": {"x": {"data": {"level": "nlp"}}}}}, "'f1' belongs to the level nlp"),
        (
            {"data": PHANTOMS, "factors": {"a": {"x": {"data": {"level": "box", "mix": {"box": 1}}}}}},
            "'level' or 'mix', not both",
        ),
        ({"data": PHANTOMS, "factors": {"a": {"x": {"data": {"extra_share": 0.2}}}}}, "needs folds"),
        ({"seeds": [0, 0]}, "names one twice"),
        ({"seeds": [0], "folds": {"count": 2}}, "'seeds' or 'folds', not both"),
        ({"folds": {"count": 1}}, "'count' must be a whole number from 2 to 1000, not 1"),
        # A seed becomes an override of each run, where MONAI evaluates text that begins with "$".
        ({"folds": {"count": 2, "seed": "$1 + 1"}}, r"'seed' must be a whole number from 0, not '\$1 \+ 1'"),
        ({"folds": {"count": 2, "seed": True}}, "'seed' must be a whole number from 0, not True"),
        ({"folds": {"count": 2, "validation": "0.1"}}, "'validation' must be a number above 0 and below 1"),
        ({"folds": {"count": 2, "located_only": "yes please"}}, "'located_only' must be true or false"),
        ({"factors": {"a": {"x": {}}}, "exclude": [{"a": "x"}]}, "no cell is left"),
        ({"factors": {"a": {"x": {}}}, "exclude": [{"a": "z"}]}, "exclude: a: unknown 'z'"),
        ({"report": {"metrics": ["auc.macro", "dcie.macro"]}}, "'dcie.macro': unknown 'dcie'.* Did you mean 'dice'"),
        (
            {
                "factors": {"a": {"x": {}, "y": {}}},
                "report": {"orderings": [{"metric": "ac.macro", "factor": "a", "order": ["x", "y"]}]},
            },
            "'ac.macro': unknown 'ac'",
        ),
        ({"report": {"orderings": ["x > y in auc"]}}, "must be {metric: METRIC, factor: FACTOR, order: "),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_wrong_study_file_is_refused_by_name(read, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(**content)
    assert "study.yaml" in str(caught.value)


def test_every_shipped_study_can_be_read():
    root = Path(__file__).parents[3]
    for path in sorted(root.glob("bundles/*/studies/*.yaml")):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(root)
            assert read_sweep(path).cells
