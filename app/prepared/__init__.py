"""Prepared radiographs: each is decoded and transformed once, kept in a folder, and read back fast."""

from app.prepared.dataset import PreparationError, PreparedDataset
from app.prepared.drawn import spread_planes
from app.prepared.transform_identity import UnidentifiableError, identity

__all__ = ["PreparationError", "PreparedDataset", "UnidentifiableError", "identity", "spread_planes"]
