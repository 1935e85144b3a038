"""What Ray adds to each cell of a study: 40 cells that do nothing, here and on a Ray cluster of this machine.

    python -m benchmarks.ray_overhead [--cells 40] [--write docs/speed.md]

The same study file, run by ``frugal study`` and by ``frugal study --on ray``, whose cells claim all processors, so that
one runs at a time as in the plain runner. The plain runner has all cells in one process; on Ray each has a fresh
process, forked from one that has imported PyTorch and MONAI. The whole command counts, with the start and end of the
cluster; cell after cell is from the end of the first to that of the last.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Row, options, publish, table

CONFIG = """
imports: [$from pathlib import Path, $import time]
output_dir: runs
seed: 0
run_name: ""
number: 0
empty:
  - $Path(@output_dir, 'metrics.json').write_text('{"value":' + str(@number + @seed) + '}')
"""
AT_MOST = 1.0
"""Seconds that Ray may add to a cell."""


def study(folder: Path, cells: int) -> Path:
    """Write a study of cells that do nothing."""
    (folder / "empty.yaml").write_text(CONFIG)
    path = folder / "study.yaml"
    content = {
        "name": "empty",
        "bundle": "empty.yaml",
        "run": "empty",
        "resources": {"cpus": os.cpu_count()},
        "factors": {"number": list(range(cells))},
        "seeds": [0],
        "report": {"metrics": ["value"]},
    }
    path.write_text(json.dumps(content))
    return path


def timed(path: Path, out: str, words: list[str]) -> tuple[float, float]:
    """Seconds of the command, and between the ends of its first and last cell."""
    command = [sys.executable, "-m", "app", "study", path.name, "--trust", "--no-log", "--out", out, *words]
    begun = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    subprocess.run(command, cwd=path.parent, env=environment, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begun
    records = [json.loads(record.read_text()) for record in (path.parent / out).glob("cells/*/*/cell.json")]
    assert all(record["state"] == "finished" for record in records)
    ends = [record["ended"] for record in records]
    return seconds, max(ends) - min(ends)


def main() -> None:
    parser = options(__doc__, repeats=1)
    parser.add_argument("--cells", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = study(Path(folder), arguments.cells)
        plain = timed(path, "plain", [])
        ray = timed(path, "ray", ["--on", "ray"])
    rows = []
    for what, ours, peer, count in (
        ("the whole command", ray[0], plain[0], arguments.cells),
        ("cell after cell", ray[1], plain[1], arguments.cells - 1),
    ):
        added = (ours - peer) / count
        title, difference = f"{arguments.cells} empty cells on Ray, {what}", f"{added:+.2f} s a cell"
        against, aim = f"plain runner {peer:.1f} s", f"at most {AT_MOST:.0f} s a cell"
        rows.append(Row(title, f"{ours:.1f} s", against, difference, aim, added <= AT_MOST))
    publish("ray_overhead", "Cells on Ray", __doc__, table(rows), arguments.write)


if __name__ == "__main__":
    main()
