"""The identity of a transform changes with its parameters, its source file and what it says, and with nothing else."""

import functools
import importlib
import random
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.transforms import Compose, RandFlipd, ScaleIntensityd

import transforms
from app.prepared import UnidentifiableError, identity
from app.prepared.transform_identity import digest, versions
from transforms.clahe import CLAHEd


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

    def identity(self):
        return {"word": self._word}


def double(x):
    return 2 * x


def triple(x):
    return 3 * x


def closed_over(value):
    def add(x):
        return x + value

    return add


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
    "slice": (lambda: Stretch(1, slice(1, 2)), lambda: Stretch(1, slice(1, 3))),
    "array": (lambda: Stretch(1, np.arange(3)), lambda: Stretch(1, np.arange(3) + 1)),
    "kind of array": (lambda: Stretch(1, np.arange(3)), lambda: Stretch(1, np.arange(3, dtype=np.int32))),
    "tensor": (lambda: Stretch(1, torch.ones(2)), lambda: Stretch(1, torch.zeros(2))),
    "network": (lambda: Stretch(1, network(1)), lambda: Stretch(1, network(2))),
    "private parameter": (lambda: Hidden(1), lambda: Hidden(2)),
    "own word": (lambda: Declared("a"), lambda: Declared("b")),
    "function": (lambda: double, lambda: triple),
    "partial": (lambda: functools.partial(double, 1), lambda: functools.partial(double, 2)),
    "class": (lambda: Stretch(1, Slotted), lambda: Stretch(1, Hidden)),
    "dtype": (lambda: Stretch(1, torch.float32), lambda: Stretch(1, torch.float16)),
    "ours": (lambda: CLAHEd(clip_limit=2), lambda: CLAHEd(clip_limit=3)),
    "MONAI's": (lambda: ScaleIntensityd("image", 0, 1), lambda: ScaleIntensityd("image", 0, 2)),
    "composed": (lambda: Compose([CLAHEd(), double]), lambda: Compose([double, CLAHEd()])),
}


@pytest.mark.parametrize("name", ALIKE_AND_NOT)
def test_tells_apart_what_differs_and_nothing_else(name):
    one, other = ALIKE_AND_NOT[name]
    assert digest(identity(one())) == digest(identity(one()))
    assert digest(identity(one())) != digest(identity(other()))


def test_use_changes_nothing():
    transform = Stretch(1.0)
    before = identity(transform)
    transform({})
    assert identity(transform) == before


@pytest.mark.parametrize("kind", [str, Path])
def test_a_weight_file_counts_by_its_content(tmp_path, kind):
    path, copy = tmp_path / "weights.pt", tmp_path / "copy.pt"
    path.write_bytes(b"one")
    copy.write_bytes(b"one")
    before = identity(Stretch(kind(path)))
    assert identity(Stretch(kind(copy))) == before
    path.write_bytes(b"two")
    assert identity(Stretch(kind(path))) != before


@pytest.mark.parametrize(
    "thing",
    [threading.Lock(), random, iter([1]), lambda x: x, closed_over(1), Stretch(1).__call__, Slotted(1), np.sqrt],
    ids=["lock", "module", "iterator", "lambda", "closure", "method", "slots", "ufunc"],
)
def test_what_cannot_be_told_is_refused_with_the_way_out(thing):
    with pytest.raises(UnidentifiableError, match=r"^Stretch\.factor is .*Give the object .* identity\(\)"):
        identity(Stretch(thing))


def test_a_class_that_is_written_in_no_file_is_refused():
    namespace = {"__name__": "typed_in"}
    exec("class Typed: pass", namespace)
    with pytest.raises(UnidentifiableError, match=r"typed_in\.Typed, which is written in no file"):
        identity(namespace["Typed"]())


def test_random_transforms_are_refused():
    with pytest.raises(UnidentifiableError, match=r"transforms\[0\] is a .*RandFlipd, which is random"):
        identity(Compose([RandFlipd("image")]))


def test_versions_of_what_decodes_are_known():
    assert versions()["monai"] == sys.modules["monai"].__version__
    assert versions()["torch"] == torch.__version__.partition("+")[0]
    assert {"numpy", "pydicom", "kornia_rs"} <= set(versions())


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The identity of a transform of a user's own module, and of one whose base class is there, with a file edited."""
    texts = {
        "shop_base.py": "class Base:\n    pass\n",
        "shop.py": "import shop_base\nclass Crop(shop_base.Base):\n    pass\n",
    }
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in texts.items():
        (tmp_path / name).write_text(text)

    def identify(edited=""):
        if edited:
            (tmp_path / edited).write_text(texts[edited] + "    margin = 1\n")
        return identity(importlib.import_module("shop").Crop())

    yield identify
    for name in ("shop", "shop_base"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["shop.py", "shop_base.py"])
def test_an_edit_of_the_file_of_a_class_or_of_its_base_counts(own, name):
    assert own() != own(name)


def test_an_edit_of_our_transforms_counts_but_not_one_of_augmentation(tmp_path, monkeypatch):
    shutil.copytree(Path(transforms.__file__).parent, tmp_path / "transforms")
    monkeypatch.setattr(transforms, "__file__", str(tmp_path / "transforms" / "__init__.py"))
    before = versions()
    (tmp_path / "transforms" / "augment.py").write_text("# edited\n")
    assert versions() == before
    (tmp_path / "transforms" / "clahe.py").write_text("# edited\n")
    assert versions() != before
