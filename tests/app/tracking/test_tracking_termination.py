"""SIGTERM ends what is at work, also where it comes while an object is being removed."""

import os
import signal
import sys
import time
import weakref
from collections.abc import Iterator

import pytest

from app.tracking.termination import EXIT_CODE, Termination


@pytest.fixture
def termination() -> Iterator[Termination]:
    """Installed for a test; the process's own handlers are back afterwards."""
    before = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    installed = Termination()
    installed.install()
    yield installed
    installed.hold_off()
    installed.restore()
    assert (signal.getsignal(signal.SIGTERM), sys.unraisablehook) == before


class Removed:
    """Somebody waits for the end of it."""


def end_within_a_removal(count: int = 1) -> None:
    """SIGTERM comes while Python tells that objects are gone, where no exception can be raised."""
    for _ in range(count):
        removed = Removed()
        reference = weakref.ref(removed, lambda gone: os.kill(os.getpid(), signal.SIGTERM))
        del removed
        assert reference() is None


def test_the_first_signal_ends_and_a_second_is_not_heard(termination):
    with pytest.raises(SystemExit) as ended:
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == EXIT_CODE
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_whose_exception_was_lost_is_sent_again(termination):
    end_within_a_removal()
    with pytest.raises(SystemExit) as ended:
        time.sleep(10)
    assert ended.value.code == EXIT_CODE


def test_a_lost_signal_is_not_sent_into_the_end_of_a_run(termination):
    end_within_a_removal()
    termination.hold_off()
    time.sleep(0.2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_other_lost_exceptions_go_their_way(termination, monkeypatch):
    told = []
    monkeypatch.setattr(termination, "_previous_hook", told.append)
    removed = Removed()
    reference = weakref.ref(removed, lambda gone: 1 / 0)
    del removed
    assert reference() is None
    assert [type(lost.exc_value) for lost in told] == [ZeroDivisionError]
    monkeypatch.undo()
