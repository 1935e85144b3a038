"""Reading and preparing radiographs with their annotations, as MONAI array and dictionary transforms."""

from typing import TYPE_CHECKING

from transforms.lazy_names import lazy_names

if TYPE_CHECKING:
    from transforms.augment import AugmentBatch as AugmentBatch
    from transforms.clahe import CLAHE as CLAHE
    from transforms.clahe import CLAHEd as CLAHEd
    from transforms.draw import DrawAnnotationsd as DrawAnnotationsd
    from transforms.errors import RadiographError as RadiographError
    from transforms.load import LoadRadiograph as LoadRadiograph
    from transforms.load import LoadRadiographd as LoadRadiographd
    from transforms.lungs import CropLungs as CropLungs
    from transforms.lungs import CropLungsd as CropLungsd
    from transforms.read import read_radiograph as read_radiograph
    from transforms.regions import restore_map as restore_map
    from transforms.resize import ResizeRadiograph as ResizeRadiograph
    from transforms.resize import ResizeRadiographd as ResizeRadiographd

# Imported on first use, so that code that needs no torch starts without it. One line per public name, here and above.
LAZY = {
    "CLAHE": "transforms.clahe",
    "CLAHEd": "transforms.clahe",
    "CropLungs": "transforms.lungs",
    "CropLungsd": "transforms.lungs",
    "ResizeRadiograph": "transforms.resize",
    "ResizeRadiographd": "transforms.resize",
    "DrawAnnotationsd": "transforms.draw",
    "restore_map": "transforms.regions",
    "AugmentBatch": "transforms.augment",
    "RadiographError": "transforms.errors",
    "read_radiograph": "transforms.read",
    "LoadRadiograph": "transforms.load",
    "LoadRadiographd": "transforms.load",
}
__getattr__ = lazy_names(__name__, LAZY)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(LAZY)
