"""Names and signatures read from source files, against what Python itself finds on importing them."""

import ast
import inspect
from pathlib import Path

import pytest

from app.checking.kinds import fits
from app.checking.signatures import signature_of
from app.checking.sources import MissingNameError, _outline, find, short, words

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "target",
    [
        "app.datalist.splitting.complete_split",  # a function where it is defined
        "app.datalist.validate.image_sizes",  # imported from elsewhere
        "app.datalist.item.Box",  # a named tuple
        "app.datalist.item.Item",  # a dataclass
        "app.tracking.Run",  # by way of a package
        "evaluation.delong",  # a module
        "json.JSONDecoder",  # keyword-only arguments
        "argparse.BooleanOptionalAction",  # the standard library
        "logging.handlers.RotatingFileHandler",
    ],
)
def test_signatures_are_those_of_the_imported_thing(target: str):
    import importlib

    module, _, name = target.rpartition(".")
    try:
        own = getattr(importlib.import_module(module), name)
    except AttributeError:
        own = importlib.import_module(target)
    found = signature_of(target)
    if inspect.ismodule(own):
        assert find(target).name == ""
        return
    expected = [each for each in inspect.signature(own).parameters.values() if each.kind.name[:4] != "VAR_"]
    assert found.names == tuple(each.name for each in expected)
    required = [each.name for each in expected if each.default is inspect.Parameter.empty]
    assert [each.name for each in found.parameters if each.required] == required


def test_files_are_cut_into_classes_and_functions_as_python_parses_them():
    for folder in ("app", "transforms", "evaluation"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            body, blocks = _outline(path.read_text())
            kinds = (ast.ClassDef, ast.FunctionDef)
            whole = {node.name: ast.dump(node) for node in ast.parse(path.read_text()).body if isinstance(node, kinds)}
            kept = {node.name: ast.dump(node) for node in body if isinstance(node, kinds)}
            assert kept | {name: ast.dump(ast.parse(text).body[0]) for name, text in blocks.items()} == whole, path


def test_names_that_there_are_not_come_with_those_that_there_are():
    with pytest.raises(MissingNameError) as caught:
        find("app.datalist.splitting.complete_spilt")
    assert "complete_split" in caught.value.known
    with pytest.raises(MissingNameError):
        find("nothing.of.this.kind")
    with pytest.raises(MissingNameError) as caught:
        short("SupervisedTrianer")
    assert {"SupervisedTrainer", "Compose"} <= set(caught.value.known)


def test_words_of_a_constant():
    assert words("app.datalist.item", "SECTIONS") == ("training", "validation", "test")
    with pytest.raises(MissingNameError):
        words("app.datalist.item", "Box")


# (value, annotation, whether it fits): by hand, from what Python would accept.
FITS = [
    (3, "int", True),
    (3, "float", True),
    (3.0, "int", False),
    (True, "int", False),
    (True, "bool", True),
    (1, "bool", True),
    (2, "bool", False),
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
