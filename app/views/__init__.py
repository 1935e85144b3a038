"""A look at the pixels: whether they show a frontal radiograph of the chest, the right way up and not inverted."""

from app.views.check import FrontalCheck, frontal_only
from app.views.network import ViewNetwork, standardised

__all__ = ["FrontalCheck", "ViewNetwork", "frontal_only", "standardised"]
