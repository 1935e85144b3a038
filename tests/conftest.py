"""What several tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def frugal_data() -> Path:
    """Folder of real radiographs and tables, named by the environment variable FRUGAL_DATA."""
    folder = os.environ.get("FRUGAL_DATA")
    if not folder:
        pytest.skip("FRUGAL_DATA does not name a folder of real data")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def _settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the key of pseudonyms out of the user's own settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("settings")))
        yield


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a parameter of bytes by its length: bytes may hold the time, and all workers must agree on names."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
