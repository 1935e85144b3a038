"""How fast commands start: ``frugal --help`` against ``python -m monai.bundle --help``.

    python -m benchmarks.start [--write docs/speed.md]

Each is started several times in turn, from files that the system holds in memory; the fastest counts, as whatever else
the machine does only adds.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.report import Row, options, publish, table

AIM = 15
AT_MOST = 0.5
"""Seconds that a command which trains nothing may take to start."""


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    arguments = options(__doc__, repeats=7).parse_args()
    frugal, python = str(Path(sys.executable).with_name("frugal")), sys.executable
    commands = {
        "frugal --help": [frugal, "--help"],
        "frugal study --help": [frugal, "study", "--help"],
        "frugal datalist nih --help": [frugal, "datalist", "nih", "--help"],
    }
    stock = [python, "-m", "monai.bundle", "--help"]
    seconds(stock)
    taken: dict[str, list[float]] = {name: [] for name in (*commands, "stock")}
    for repeat in range(arguments.repeats):
        for name, command in commands.items():
            taken[name].append(seconds(command))
        if repeat < max(1, arguments.repeats // 2):
            taken["stock"].append(seconds(stock))
    peer = min(taken.pop("stock"))
    rows = [
        Row(
            f"start of `{name}`",
            f"{min(times):.3f} s",
            f"`python -m monai.bundle --help` {peer:.2f} s",
            f"{peer / min(times):.0f}x",
            f"at least {AIM}x, at most {AT_MOST} s",
            peer / min(times) >= AIM and min(times) <= AT_MOST,
        )
        for name, times in taken.items()
    ]
    publish("start", "Starting", __doc__, table(rows), arguments.write)


if __name__ == "__main__":
    main()
