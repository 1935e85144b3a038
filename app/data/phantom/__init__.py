"""Phantoms: made chest radiographs with findings and tubes of known outline, the default data."""

from app.data.phantom.findings import FINDINGS
from app.data.phantom.write import ALL, VIEWS, write_phantoms

__all__ = ["ALL", "FINDINGS", "VIEWS", "write_phantoms"]
