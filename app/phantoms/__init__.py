"""Phantoms: synthetic chest radiographs with findings and tubes of known outline, the default data."""

from app.phantoms.findings import FINDINGS
from app.phantoms.write import ALL, VIEWS, write_phantoms

__all__ = ["ALL", "FINDINGS", "VIEWS", "write_phantoms"]
