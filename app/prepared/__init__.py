"""The kept result of the transforms that never change: every radiograph is decoded once."""

from app.prepared.dataset import PreparedDataset
from app.prepared.drawn import spread_planes
from app.prepared.identity import UnidentifiableError, fingerprint, identity
from app.prepared.preparing import PreparationError

__all__ = ["PreparationError", "PreparedDataset", "UnidentifiableError", "fingerprint", "identity", "spread_planes"]
