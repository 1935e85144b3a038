import subprocess
import sys
from pathlib import Path

import pytest

from app.lazy.deferred import Deferred, Unloaded, stand_in, standing_in

ROOT = Path(__file__).parents[3]
TRAINING = """
import sys
from concurrent.futures import ThreadPoolExecutor
from app import lazy

lazy.install()
heavy = {"matplotlib", "mlflow", "nibabel", "pandas", "pydicom", "scipy.ndimage", "scipy.signal", "skimage", "sklearn"}
heavy |= {"sympy", "timm", "torch._inductor", "torch.distributed.fsdp", "torchvision"}
import app.engines, app.networks.pooling, app.phantoms.opened, app.prepared
import torch
from ignite.handlers.checkpoint import ZeroRedundancyOptimizer
from monai.bundle import ConfigParser

parameter = torch.nn.Parameter(torch.ones(1))
optimizer = torch.optim.Adam([parameter])
optimizer.zero_grad()
parameter.sum().backward()
optimizer.step()
print("heavy", *(heavy & set(sys.modules)))

import monai

is_workflow = issubclass(app.engines.RadiographTrainer, monai.engines.Workflow)
print("base", isinstance(optimizer, ZeroRedundancyOptimizer), is_workflow)
config = {
    "named": {"_target_": "monai.losses.DiceLoss"},
    "bare": {"_target_": "Compose"},
    "nowhere": {"_target_": "RetinaNet", "_mode_": "callable"},
    "expression": "$monai.visualize.matshow3d.__name__",
    "imports": ["$import monai"],
}
print("early", "monai.losses.dice" in sys.modules, "monai.apps.detection" in sys.modules)
parsed = ConfigParser(config)
print("config", *(type(parsed.get_parsed_content(name)).__name__ for name in ("named", "bare")))
print("late", "monai.losses.dice" in sys.modules, "monai.apps.detection" in sys.modules)
with ThreadPoolExecutor(2) as pool:
    print("threads", *pool.map(lambda _: ConfigParser(config).get_parsed_content("nowhere").__name__, range(2)))
print("all", parsed.get_parsed_content("nowhere").__module__, parsed.get_parsed_content("expression"))
print("absent", hasattr(monai, "nothing"))
packages = ("unittest.nothing", "unittest.mock.nothing", "xml.sax.saxutils")
print("optional", *(monai.utils.optional_import(name)[1] for name in packages))
print("plots", monai.utils.jupyter_utils.plt.Figure.__name__, "matplotlib.pyplot" in sys.modules)

disabled = torch.compiler.disable(torch.nn.Linear(1, 1))
print("decorators", torch.compiler.disable(recursive=False)(abs)(-1), len(list(disabled.parameters())))
from torch._dynamo import utils

print("compiler", utils is sys.modules["torch._dynamo.utils"], torch._dynamo is sys.modules["torch._dynamo"])
optimizer.zero_grad()
"""


@pytest.fixture(scope="module")
def lines() -> dict[str, str]:
    """What a process that imports what a training needs tells, by its first word."""
    done = subprocess.run([sys.executable, "-c", TRAINING], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return dict(line.partition(" ")[::2] for line in done.stdout.splitlines())


def test_a_training_imports_nothing_that_it_does_not_need(lines: dict[str, str]):
    assert lines["heavy"] == ""


def test_all_of_monai_is_there_when_it_is_named(lines: dict[str, str]):
    assert lines["early"] == "False False"
    assert lines["config"] == "DiceLoss Compose"
    assert lines["late"] == "True False"
    # A name without its module that nothing loaded has: MONAI's table of all its components finds it.
    assert lines["all"] == "monai.apps.detection.networks.retinanet_network matshow3d"
    assert lines["absent"] == "False"
    assert lines["plots"] == "Figure True"


def test_threads_wait_for_each_other(lines: dict[str, str]):
    assert lines["threads"] == "RetinaNet RetinaNet"


def test_a_module_that_its_package_lacks_is_not_installed(lines: dict[str, str]):
    # MONAI asks for one in "nvidia", which CUDA's packages share, and has its own functions without it.
    assert lines["optional"] == "False False True"


def test_classes_are_themselves(lines: dict[str, str]):
    assert lines["base"] == "False True"


def test_the_compiler_is_imported_when_it_is_used(lines: dict[str, str]):
    assert lines["decorators"] == "1 2"
    assert lines["compiler"] == "True True"


def test_what_is_deferred_is_loaded_once_and_stands_for_itself():
    loads: list[int] = []
    deferred = Deferred(lambda: loads.append(1) or float)
    assert not loads
    assert isinstance(1.5, deferred)
    assert deferred("2.5") == 2.5
    assert deferred.__name__ == "float"

    class Child(deferred):
        pass

    assert Child.__mro__[1] is float
    assert len(loads) == 1


def test_a_stand_in_gives_way_to_the_real_class():
    name = "a_module_of_this_test"
    unloaded = Unloaded("Kind", (), {"__module__": name})
    kind = type("Kind", (), {})
    with standing_in({name: stand_in(name, Kind=unloaded)}):
        assert sys.modules[name].Kind is unloaded
    assert name not in sys.modules
    assert not isinstance(kind(), unloaded)
    with standing_in({name: stand_in(name, Kind=kind)}):
        assert isinstance(kind(), unloaded)
