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


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a parameter of bytes by its length: bytes may hold the time, and all workers must agree on names."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
