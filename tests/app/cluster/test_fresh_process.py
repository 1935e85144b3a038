"""Calls in processes of their own: what is told of their failures, and that none outlives whoever asked for it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cluster.fresh_process import Failure, Template

ROOT = Path(__file__).parents[3]
# What the template imports: it does not know this module.
CALLS = """
import os, signal, time
from pathlib import Path


def write(path, text):
    Path(path).write_text(f"{text} {os.environ['WORD']} {os.getpid()}")


def fail():
    raise MemoryError("no room")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(path):
    def end(number, frame):
        Path(path).with_suffix(".ended").touch()
        raise SystemExit(143)

    signal.signal(signal.SIGTERM, end)
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)
"""
OWNER = """
import os, sys
from app.cluster.fresh_process import Template
sys.path.append(sys.argv[1])
import fresh_calls
Template((), os.environ).call(fresh_calls.sleep, (sys.argv[2],), {})
"""


def waited_for(path: Path) -> str:
    until = time.monotonic() + 30
    while time.monotonic() < until and not (path.exists() and path.read_text()):
        time.sleep(0.02)
    return path.read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("calls")
    (folder / "fresh_calls.py").write_text(CALLS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(folder)])
        yield folder


@pytest.fixture(scope="module")
def template(folder: Path) -> Iterator[Template]:
    template = Template(("fresh_calls",), {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}", "WORD": "old"})
    yield template
    template.close()


def test_each_call_has_a_process_and_an_environment_of_its_own(template, folder):
    from fresh_calls import write

    for text, word in (("a", "new"), ("b", "newer")):
        assert template.call(write, (str(folder / text), text), {"WORD": word}) == Failure()
    first, second = ((folder / text).read_text().split() for text in "ab")
    assert (first[:2], second[:2]) == (["a", "new"], ["b", "newer"])
    assert len({first[2], second[2], str(os.getpid())}) == 3


def test_failures_are_told_by_kind(template):
    from fresh_calls import die, fail

    assert template.call(fail, (), {}) == Failure("memory", "MemoryError: no room")
    assert template.call(die, (), {}) == Failure("died", "its process was ended by SIGKILL")


@pytest.fixture
def heeded_interrupts() -> Iterator[None]:
    """Whatever started the tests: a shell lets what it starts in the background ignore interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_ends_the_call_in_order(template, folder, heeded_interrupts):
    from fresh_calls import sleep

    path = folder / "interrupted"
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        waited_for(path)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        template.call(sleep, (str(path),), {})
    thread.join()
    assert path.with_suffix(".ended").exists()


def test_a_call_dies_with_whoever_asked_for_it(folder):
    path = folder / "orphan"
    (folder / "owner.py").write_text(OWNER)
    command = [sys.executable, str(folder / "owner.py"), str(folder), str(path)]
    owner = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"})
    pid = int(waited_for(path))
    owner.kill()
    owner.wait()
    until = time.monotonic() + 20
    while time.monotonic() < until and Path(f"/proc/{pid}").exists():
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
