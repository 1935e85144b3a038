"""Whether the process of a run is known to have ended."""

import subprocess
import sys
from pathlib import Path

from app.tracking.abandoned import is_gone, process_tags


def test_this_process_is_here():
    assert not is_gone(process_tags())


def test_a_process_that_ended_is_gone():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert is_gone(process_tags() | {"frugal.pid": str(process.pid)})


def test_another_process_with_the_same_number_is_not_ours():
    assert is_gone(process_tags() | {"frugal.process_start": "1"})


def test_before_the_last_boot():
    assert is_gone(process_tags() | {"frugal.boot": "another"})


def test_a_process_of_another_host_is_not_known_to_be_gone():
    assert not is_gone(process_tags() | {"frugal.host": "elsewhere"})


def test_a_run_without_tags_of_a_process_is_not_known_to_be_gone():
    assert not is_gone({})


def test_a_process_of_somebody_else_is_here():
    # Process 1 always runs, and another user may not signal it.
    start = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    assert not is_gone(process_tags() | {"frugal.pid": "1", "frugal.process_start": start})
