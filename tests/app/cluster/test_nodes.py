"""What a node is asked before it gets work."""

from pathlib import Path

import app
from app.cluster.nodes import look


def test_nothing_is_written_where_radiographs_lie(tmp_path: Path):
    for name in ("archive", "results"):
        (tmp_path / name).mkdir()
    read = [str(tmp_path / "archive"), str(tmp_path / "none")]
    version, problems = look(read, [str(tmp_path / "results")], "of-a-node")
    assert (version, problems) == (app.__version__, [f"{tmp_path / 'none'}: no such folder"])
    assert not list((tmp_path / "archive").iterdir())
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["of-a-node"]
