"""Reading and preparing radiographs with their annotations, as MONAI array and dictionary transforms."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transforms.errors import RadiographError as RadiographError
    from transforms.load import LoadRadiograph as LoadRadiograph
    from transforms.load import LoadRadiographd as LoadRadiographd
    from transforms.read import read_radiograph as read_radiograph

# Loaded when asked for, so that what needs no torch starts without it. One line a public name, here and above.
LAZY = {
    "RadiographError": "transforms.errors",
    "read_radiograph": "transforms.read",
    "LoadRadiograph": "transforms.load",
    "LoadRadiographd": "transforms.load",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module holds under the name
    """Import a public name from its module."""
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(LAZY[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(LAZY)
