"""Where the demo's time goes, and what a phantom costs.

    python -m benchmarks.demo --write docs/speed.md
    python -m benchmarks.demo --before CHECKOUT    # also the phantoms of an earlier version, in turn

`frugal train nodule_detection` runs in an empty folder, as `make demo` does after installing. A stage ends when what it
prints was last seen; processor time is that of all processes. Phantoms are made by `frugal phantom`; what counts is the
processor time of all its processes for each phantom beyond the first four a core, with which each process starts. It is
the best of several turns.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import Row, options, publish, table

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 180.0
"""Seconds that the demo may take on two cores."""
STAGES = {
    "start": rb"phantoms:   0%",
    "800 phantoms": rb"phantoms:",
    "preparing them: lungs, contrast, size": rb"Preparing radiographs:",
    "training, with a validation after each epoch": rb"epoch \d+/\d+:",
    "test section, pictures, record": rb"Results are in",
}
"""What is timed, and what is last printed in it."""


def demo_rows(settings: list[str], threads: int) -> list[Row]:
    """One row a stage of a demo in an empty folder, and the whole; with 0 threads, as many as there are cores."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {"PYTHONPATH": str(ROOT)} | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    with tempfile.TemporaryDirectory() as folder:
        ends = stage_ends([sys.executable, "-m", "app", "train", "nodule_detection", *settings], folder, environment)
        result = json.loads((Path(folder) / "runs/nodule_detection/metrics.json").read_text())
    rows, before = [], Moment(0.0, 0.0)
    for name, end in zip(STAGES, ends, strict=True):
        spent = Moment(end.clock - before.clock, end.processor - before.processor)
        rows.append(Row(name, str(spent), "", f"{spent.processor / ends[-1].processor:.0%} of the processor's"))
        before = end
    auc, dice = (result[name]["macro"]["value"] for name in ("auc", "dice"))
    whole = f"the whole demo: AUC {auc:.3f}, Dice {dice:.3f} on the test section"
    return [*rows, Row(whole, str(before), "", "", f"at most {LIMIT:.0f} s", before.clock <= LIMIT)]


class Moment(NamedTuple):
    """Seconds since the start, by the clock and of the processor."""

    clock: float
    processor: float

    def __str__(self) -> str:
        return f"{self.clock:.0f} s (processor {self.processor:.0f} s)"


def stage_ends(command: list[str], folder: str, environment: dict[str, str]) -> list[Moment]:
    """Run a command in a folder; when each of ``STAGES`` ended, the last one with the command."""
    start, ends, text = time.monotonic(), dict.fromkeys(STAGES, Moment(0.0, 0.0)), b""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        moment = ends[next(iter(ends))]
        while piece := os.read(process.stdout.fileno(), 1 << 16):
            moment = Moment(time.monotonic() - start, session_seconds(process.pid))
            ends |= {name: moment for name, words in STAGES.items() if re.search(words, piece)}
            text = text[-10_000:] + piece
    if process.returncode or not all(end.clock for end in ends.values()):
        raise RuntimeError(f"the demo failed: {text.decode(errors='replace')}")
    return [*list(ends.values())[:-1], Moment(time.monotonic() - start, moment.processor)]


def session_seconds(session: int) -> float:
    """Processor time of the living processes of a session, and of those that they have waited for."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # a process that has just ended
            words = path.read_text().rpartition(")")[2].split()
            ticks += sum(map(int, words[11:15])) if int(words[3]) == session else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def phantom_row(count: int, turns: int, before: Path | None) -> Row:
    """Processor time of a phantom, of this version and perhaps of another."""
    versions = [ROOT, *([] if before is None else [before])]
    taken = [[milliseconds(version, count) for version in versions] for _ in range(turns)]
    ours, *theirs = (min(times) for times in zip(*taken, strict=True))
    peer = f"the version before {theirs[0]:.0f} ms" if theirs else ""
    ratio = f"{theirs[0] / ours:.1f}x" if theirs else ""
    reached = theirs[0] >= 2 * ours if theirs else None
    return Row("a phantom of 512 x 512 pixels", f"{ours:.0f} ms of a core", peer, ratio, "at least 2x", reached)


def milliseconds(version: Path, count: int) -> float:
    """Processor time of one more phantom, made with the code of a checkout."""
    first = 4 * (os.cpu_count() or 1)
    return (processor_seconds(version, count + first) - processor_seconds(version, first)) / count * 1000


def processor_seconds(version: Path, count: int) -> float:
    """Processor time of making so many phantoms with the code of a checkout."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["phantom", "--out", f"{folder}/phantoms", "--count", str(count), "--findings", "Nodule"]
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "app", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(version)},
            check=True,
            capture_output=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime


def main() -> None:
    parser = options(__doc__, threads=0, count=100, turns=3)
    parser.add_argument(
        "--before", type=Path, metavar="CHECKOUT", help="another version, whose phantoms are made in turn"
    )
    parser.add_argument("settings", nargs="*", help="of the training, such as --max_epochs 1, after a --")
    arguments = parser.parse_args()
    rows = [
        *demo_rows(arguments.settings, arguments.threads),
        phantom_row(arguments.count, arguments.turns, arguments.before),
    ]
    publish("demo", "The demo", __doc__, table(rows), arguments.write)


if __name__ == "__main__":
    main()
