"""Whether the process of a run is known to have ended."""

import os
import subprocess
import sys

import pytest

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


@pytest.mark.parametrize("change", [{"frugal.host": "elsewhere"}, {"frugal.pid": "?"}], ids=str)
def test_what_cannot_be_known_is_not_gone(change):
    assert not is_gone(process_tags() | change)


def test_a_run_that_says_nothing_of_its_process_is_not_gone():
    assert not is_gone({})


def test_a_process_of_somebody_else_is_here():
    # Process 1 always runs; as another user we may not signal it, which must not look like its absence.
    start = int(process_tags()["frugal.process_start"])
    assert start > 0
    assert os.getpid() != 1
