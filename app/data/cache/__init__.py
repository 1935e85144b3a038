"""The kept result of the transforms that never change: every radiograph is decoded once."""

from app.data.cache.dataset import PreparedDataset
from app.data.cache.drawn import spread_planes
from app.data.cache.identity import UnidentifiableError, fingerprint, identity
from app.data.cache.prepare import PreparationError

__all__ = ["PreparationError", "PreparedDataset", "UnidentifiableError", "fingerprint", "identity", "spread_planes"]
