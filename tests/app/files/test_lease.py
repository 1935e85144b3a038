"""A lease has one holder, who loses it only by dying or by not answering."""

import json
import threading
import time
from pathlib import Path

import pytest

from app.files.lease import FILE, Lease, _remove, refuse_if_leased

EVERY = 0.05
LONG = 10.0
"""Longer than any renewal takes on a busy machine."""
SHORT = 0.4
"""For a lease that nobody renews."""


def test_a_second_process_is_refused_while_the_first_renews(tmp_path):
    with Lease(tmp_path, LONG, EVERY) as lease:
        with (
            pytest.raises(ValueError, match=r"process \d+ on .* hands out the work"),
            Lease(tmp_path, LONG, EVERY),
        ):
            pass
        with pytest.raises(ValueError, match="hands out the work"):
            refuse_if_leased(tmp_path, LONG)
        assert lease.is_held()
    assert list(tmp_path.iterdir()) == []


def test_the_lease_of_a_dead_process_is_taken_over(tmp_path):
    (tmp_path / FILE).write_text(json.dumps({"process": 1, "host": "gone", "id": "x", "renewals": 7}))
    started = time.monotonic()
    with Lease(tmp_path, SHORT, EVERY) as lease:
        assert time.monotonic() - started >= SHORT
        assert lease.is_held()
    assert list(tmp_path.iterdir()) == []


def test_a_lease_cut_off_while_it_was_written_is_taken_over(tmp_path):
    (tmp_path / FILE).write_text('{"proc')
    refuse_if_leased(tmp_path, SHORT)
    assert list(tmp_path.iterdir()) == []


def test_who_lost_it_knows_and_leaves_it_to_the_other(tmp_path):
    with Lease(tmp_path, SHORT, EVERY) as lease:
        (tmp_path / FILE).write_text(json.dumps({"process": 2, "host": "other", "id": "y", "renewals": 0}))
        time.sleep(3 * EVERY)
        assert not lease.is_held()
    assert json.loads((tmp_path / FILE).read_text())["id"] == "y"


def test_a_lease_that_was_taken_over_is_not_moved_away(tmp_path, monkeypatch):
    def fail(path: Path, target: Path) -> None:
        raise AssertionError("for a moment, another process would find no lease")

    monkeypatch.setattr(Path, "rename", fail)
    (tmp_path / FILE).write_text("of another process")
    _remove(tmp_path / FILE, "abandoned")
    assert (tmp_path / FILE).read_text() == "of another process"


def test_of_many_that_find_an_abandoned_lease_one_takes_it(tmp_path):
    (tmp_path / FILE).write_text("{}")
    taken, refused = [], []
    barrier = threading.Barrier(8)

    def take() -> None:
        barrier.wait()
        try:
            with Lease(tmp_path, 1.0, EVERY):
                taken.append(1)
                time.sleep(1.5)
        except ValueError:
            refused.append(1)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), len(refused)) == (1, 7)
