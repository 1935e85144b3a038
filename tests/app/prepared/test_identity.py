"""What a transform is known by changes with all that changes its result, and with nothing else."""

import functools
import random
import sys
import textwrap
import threading

import numpy as np
import pytest
import torch

from app.prepared import UnidentifiableError, fingerprint


class Stretch:
    def __init__(self, factor, steps=()):
        self.factor = factor
        self.steps = steps
        self._last = None  # state that follows from use

    def __call__(self, sample):
        self._last = threading.Lock()
        return sample


class Hidden:
    """Keeps a parameter under another name, so that its private attributes have to count."""

    def __init__(self, factor):
        self._inner = Stretch(factor)


class Slotted:
    __slots__ = ("factor",)

    def __init__(self, factor):
        self.factor = factor


class Declared:
    def __init__(self, word):
        self._lock = threading.Lock()
        self._word = word
        self.lock = self._lock

    def fingerprint(self):
        return self._word


def double(x):
    return 2 * x


def closed_over(value):
    return lambda x: x + value


def network(value):
    result = torch.nn.Linear(2, 1)
    torch.nn.init.constant_(result.weight, value)
    torch.nn.init.zeros_(result.bias)
    return result


ALIKE_AND_NOT = {
    "parameter": (lambda: Stretch(1.0), lambda: Stretch(2.0)),
    "type of a parameter": (lambda: Stretch(1), lambda: Stretch(1.0)),
    "not a number": (lambda: Stretch(float("nan")), lambda: Stretch(float("inf"))),
    "nested": (lambda: Stretch(1, [Stretch(2)]), lambda: Stretch(1, [Stretch(3)])),
    "order": (lambda: Stretch(1, (1, 2)), lambda: Stretch(1, (2, 1))),
    "mapping": (lambda: Stretch(1, {"a": 1}), lambda: Stretch(1, {"a": 2})),
    "set": (lambda: Stretch(1, {"a", "b", "c"}), lambda: Stretch(1, {"a", "b"})),
    "array": (lambda: Stretch(1, np.arange(3)), lambda: Stretch(1, np.arange(3) + 1)),
    "kind of array": (lambda: Stretch(1, np.arange(3)), lambda: Stretch(1, np.arange(3, dtype=np.int32))),
    "tensor": (lambda: Stretch(1, torch.ones(2)), lambda: Stretch(1, torch.zeros(2))),
    "network": (lambda: Stretch(1, network(1)), lambda: Stretch(1, network(2))),
    "private parameter": (lambda: Hidden(1), lambda: Hidden(2)),
    "slots": (lambda: Slotted(1), lambda: Slotted(2)),
    "own word": (lambda: Declared("a"), lambda: Declared("b")),
    "lambda": (lambda: lambda x: x + 1, lambda: lambda x: x + 2),
    "closure": (lambda: closed_over(1), lambda: closed_over(2)),
    "partial": (lambda: functools.partial(double, 1), lambda: functools.partial(double, 2)),
    "method": (lambda: Stretch(1).__call__, lambda: Stretch(2).__call__),
    "class": (lambda: Stretch(1, Slotted), lambda: Stretch(1, Hidden)),
    "numpy function": (lambda: Stretch(1, np.sqrt), lambda: Stretch(1, np.square)),
    "built-in": (lambda: Stretch(1, len), lambda: Stretch(1, sum)),
    "dtype": (lambda: Stretch(1, torch.float32), lambda: Stretch(1, torch.float16)),
}


@pytest.mark.parametrize("name", ALIKE_AND_NOT)
def test_tells_apart_what_differs_and_nothing_else(name):
    one, other = ALIKE_AND_NOT[name]
    assert fingerprint(one()) == fingerprint(one())
    assert fingerprint(one()) != fingerprint(other())


def test_use_changes_nothing():
    transform = Stretch(1.0)
    before = fingerprint(transform)
    transform({})
    assert fingerprint(transform) == before


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_weight_file_counts_by_its_content(tmp_path, kind):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"one")
    before = fingerprint(Stretch(kind(path)))
    copy = tmp_path / "copy.pt"
    copy.write_bytes(b"one")
    assert fingerprint(Stretch(kind(copy))) == before
    path.write_bytes(b"two")
    assert fingerprint(Stretch(kind(path))) != before


@pytest.mark.parametrize("thing", [threading.Lock(), random, iter([1])])
def test_what_cannot_be_told_is_refused_with_the_way_out(thing):
    with pytest.raises(UnidentifiableError, match=r"^Stretch\.factor is a .*give the object .* fingerprint\(\)"):
        fingerprint(Stretch(thing))


SOURCE = {
    "shop/__init__.py": "",
    "shop/crop.py": """
        from shop import size
        class Crop:
            def __call__(self, sample):
                from .margin import MARGIN
                return sample, size.SIZE, MARGIN
    """,
    "shop/size.py": "SIZE = 1",
    "shop/margin.py": "MARGIN = 1",
    "shop/other.py": "OTHER = 1",
}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A package of transforms; call it to fingerprint ``shop.crop.Crop`` with some files changed."""
    for name, text in SOURCE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))

    def identify(name="", text=""):
        if name:
            (tmp_path / name).write_text(textwrap.dedent(text))
        import shop.crop

        return fingerprint(shop.crop.Crop())

    yield identify
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["shop/size.py", "shop/margin.py"])
def test_an_edit_of_an_imported_module_counts(shop, name):
    assert shop() != shop(name, "MARGIN = SIZE = 2")


def test_comments_and_modules_that_are_not_imported_do_not_count(shop):
    before = shop()
    assert shop("shop/size.py", "# The size.\n\nSIZE  =  1") == before
    assert shop("shop/other.py", "OTHER = 2") == before
