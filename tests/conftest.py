"""What several tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def frugal_data() -> Path:
    """Folder of real radiographs and tables, named by the environment variable FRUGAL_DATA."""
    folder = os.environ.get("FRUGAL_DATA")
    if not folder:
        pytest.skip("FRUGAL_DATA does not name a folder of real data")
    return Path(folder)
