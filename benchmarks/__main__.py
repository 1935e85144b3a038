"""All that speed and size claims rest on, one after the other, each in a process of its own.

    python -m benchmarks                           # print
    python -m benchmarks --write docs/speed.md     # and put the tables into the document
    python -m benchmarks --only start memory_growth
    python -m benchmarks --quick                   # small numbers: do they run; the tables mean little

They want a quiet machine and take half an hour. One that fails does not stop the others.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

QUICK = {
    "reading_radiographs": ["--count", "2", "--side", "256", "--repeats", "2"],
    "prepared_reading": ["--count", "64", "--side", "128", "--repeats", "2"],
    "ray_overhead": ["--cells", "3"],
    "runtimes": ["--rounds", "1", "--networks", "1"],
    "pac_crf": ["--images", "2", "--runs", "1"],
    "start": ["--repeats", "2"],
    "training_start": ["--repeats", "1"],
    "demo": ["--count", "4", "--turns", "1", "--", "--phantoms#count", "24", "--max_epochs", "1"],
    "training_iteration": ["--iterations", "20", "--epochs", "3"],
    "metric_logging": ["--iterations", "50", "--repeats", "1"],
    "memory_growth": ["--epochs", "20", "--phantoms", "24"],
    "predicting": ["--count", "16", "--repeats", "1"],
    "growth": ["--most", "1000"],
    "archive": ["--count", "1200", "--listed", "1000"],
    "gpu_feeding": [
        "--small",
        "1",
        "--side",
        "64",
        "--batch",
        "4",
        "--count",
        "16",
        "--iterations",
        "2",
        "--repeats",
        "1",
    ],
}
"""By name of the benchmark: its options for a trial."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="document that gets the tables")
    parser.add_argument("--only", nargs="+", choices=sorted(QUICK), metavar="NAME", help=", ".join(sorted(QUICK)))
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that all run")
    arguments = parser.parse_args()
    # One thread, as two that share a core with anything else measure that.
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    failed = []
    for name in arguments.only or QUICK:
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        command += QUICK[name] if arguments.quick else []
        command += ["--write", str(arguments.write)] if arguments.write else []
        start = time.monotonic()
        if subprocess.run(command, env=environment).returncode:
            failed.append(name)
        print(f"({name}: {time.monotonic() - start:.0f} s)", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
