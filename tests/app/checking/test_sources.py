"""Names and signatures read from source files, against what Python finds on importing them."""

import ast
import importlib
import inspect

import pytest

from app.checking.kinds import fits
from app.checking.signatures import signature_of
from app.checking.sources import MissingNameError, constant_words, find, find_short


@pytest.mark.parametrize(
    "target",
    [
        "app.datalist.splitting.complete_split",  # a function where it is defined
        "app.datalist.validate.image_sizes",  # imported from elsewhere
        "app.datalist.item.Box",  # a named tuple
        "app.datalist.item.Item",  # a dataclass
        "app.tracking.Run",  # through a package
        "transforms.CLAHEd",  # a lazy name of a package
        "app.losses.WeightedSum",  # of a package that imports torch
        "json.JSONDecoder",  # keyword-only arguments
        "argparse.BooleanOptionalAction",  # the standard library
        "logging.handlers.RotatingFileHandler",
        "torch.optim.Adam",  # through a package
        "torch.optim.lr_scheduler.MultiStepLR",
        "torch.utils.data.DataLoader",
        "monai.engines.SupervisedTrainer",  # re-exported by a package
        "monai.transforms.RandFlipd",
        "timm.create_model",  # re-exported twice
    ],
)
def test_signatures_are_those_of_the_imported_thing(target: str):
    module, _, name = target.rpartition(".")
    signature = signature_of(target)
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters.values()
    expected = [each for each in parameters if each.kind.name[:4] != "VAR_"]
    assert signature.names == tuple(each.name for each in expected)
    assert signature.required == tuple(each.name for each in expected if each.default is inspect.Parameter.empty)


def test_modules_are_found():
    assert (find("evaluation.delong").module, find("evaluation.delong").name) == ("evaluation.delong", "")
    assert find_short("SupervisedTrainer").module == "monai.engines.trainer"
    assert find_short("len").module == "builtins"
    assert find("app.networks.ResNet" + 10_000 * ".a").node is None


def test_missing_names_come_with_those_that_exist():
    with pytest.raises(MissingNameError) as caught:
        find("app.datalist.splitting.complete_spilt")
    assert "complete_split" in caught.value.known
    with pytest.raises(MissingNameError):
        find("nothing.of.this.kind")
    with pytest.raises(MissingNameError):
        find("app.**")
    with pytest.raises(MissingNameError) as caught:
        find_short("SupervisedTrianer")
    assert {"SupervisedTrainer", "Compose"} <= set(caught.value.known)


def test_a_class_is_no_list_of_words():
    with pytest.raises(MissingNameError):
        constant_words("app.datalist.item", "Box")


# (value, annotation, whether it fits): by hand, from what Python would accept.
FITS = [
    (3, "int", True),
    (3, "float", True),
    (3.0, "int", False),
    (True, "int", False),
    (True, "bool", True),
    (1, "bool", True),
    (2, "bool", False),
    (1.0, "bool", False),
    ("3", "int", False),
    ("3", "int | str", True),
    (None, "int | None", True),
    (None, "Optional[int]", True),
    (None, "int", False),
    ("x", "Union[int, float]", False),
    ("a", "Literal['a', 'b']", True),
    ("c", "Literal['a', 'b']", False),
    ([1, 2], "Sequence[int]", True),
    ([1, "x"], "Sequence[int]", False),
    ([1, "@x"], "Sequence[int]", True),
    ("ab", "Sequence[str]", False),
    ([1, "a"], "tuple[int, str]", True),
    (["a", 1], "tuple[int, str]", False),
    ([1, 2], "tuple[int, ...]", True),
    ({"a": 1}, "Mapping[str, Any]", True),
    ([], "dict", False),
    (1, "Tensor", False),
    (1, "float | Tensor", True),
    ("x", "float | Tensor", False),
    ("x", "'int'", False),
    ("x", "Path", True),
    ("x", "SomethingUnknown", True),
    ("$1 + 1", "int", True),
    ("@x", "int", True),
    ({"_target_": "x"}, "Tensor", True),
]


@pytest.mark.parametrize(("value", "annotation", "expected"), FITS, ids=lambda value: repr(value))
def test_kinds(value: object, annotation: str, expected: bool):
    assert fits(value, ast.parse(annotation, mode="eval").body) is expected
