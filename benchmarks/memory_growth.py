"""Whether a training's memory grows: the demo at a small size, 50 epochs in one process.

    OMP_NUM_THREADS=1 python -m benchmarks.memory_growth [--write docs/speed.md]

The bundle runs as its command runs it, on a few phantoms at 64x64. Resident memory is read as each epoch starts, before
anything of it is allocated; the median over five epochs around the 10th and the last five is compared. Memory that was
freed and that malloc keeps counts as well.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from ignite.engine import Engine, Events

from benchmarks.report import Row, options, publish, table

AIM = 0.02
FROM = 10
"""Epoch by which everything has been allocated once."""
SEEN: list[float] = []
SMALL = {"image_size": 64, "blocks": [1, 1, 1, 1], "growth": 4, "stem": 8, "batch_size": 8, "precision": "float32"}


class Watch:
    """A handler that notes the resident memory, in MiB, as each epoch starts."""

    def attach(self, engine: Engine) -> None:
        """Watch ``engine``."""
        engine.add_event_handler(Events.EPOCH_STARTED, lambda: SEEN.append(resident()))


def resident() -> float:
    """MiB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = options(__doc__, epochs=50, phantoms=48)
    parser.add_argument("--bundle", default="nodule_detection", help="default: %(default)s")
    arguments = parser.parse_args()
    if arguments.epochs < 2 * FROM:
        parser.error(f"--epochs {arguments.epochs}: must be {2 * FROM} or more")
    from monai.bundle import run

    import benchmarks.memory_growth as shared  # this module as the config names it, not as __main__
    from app.engines import RadiographWorkflow

    with tempfile.TemporaryDirectory() as temporary:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{temporary}/mlflow.db"
        start = time.perf_counter()
        run(
            run_id="training",
            workflow_name=RadiographWorkflow,
            config_file=f"bundles/{arguments.bundle}/configs/train.yaml",
            max_epochs=arguments.epochs,
            output_dir=f"{temporary}/out",
            dataset_dir=f"{temporary}/data",
            phantoms={"count": arguments.phantoms, "seed": 0, "size": 64, "findings": ["Nodule"]},
            **{"train#trainer#train_handlers": [{"_target_": "benchmarks.memory_growth.Watch"}], **SMALL},
        )
        seconds = time.perf_counter() - start
    seen = shared.SEEN
    early, late = statistics.median(seen[FROM - 3 : FROM + 2]), statistics.median(seen[-5:])
    growth = late / early - 1
    arenas = os.environ.get("MALLOC_ARENA_MAX", "not set")
    row = Row(
        f"memory over {arguments.epochs} epochs of {arguments.bundle} ({seconds:.0f} s, MALLOC_ARENA_MAX {arenas})",
        f"{late:.0f} MiB at the end",
        f"{early:.0f} MiB at epoch {FROM}",
        f"{growth:+.1%}",
        f"within {AIM:.0%}",
        abs(growth) <= AIM,
    )
    print("MiB by epoch:", " ".join(f"{each:.0f}" for each in seen))
    publish("memory-growth", "Memory of a long training", __doc__, table([row]), arguments.write)


if __name__ == "__main__":
    main()
