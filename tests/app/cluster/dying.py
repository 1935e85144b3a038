"""Tasks for processes, some of which die of them."""

import os
import signal
import time
from pathlib import Path


def double(number: int) -> int:
    return 2 * number


def refuse(number: int) -> int:
    raise FileNotFoundError(f"no file {number}")


def die_once(marker: Path) -> int:
    """Be killed, unless that was done already."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def die() -> None:
    os._exit(3)


def process(_: int) -> tuple[int, str]:
    return os.getpid(), os.environ["CUDA_VISIBLE_DEVICES"]


def sleep(begun: str) -> None:
    Path(begun).write_text(str(os.getpid()))
    time.sleep(60)
