"""The journal of an outage on a disk that fills up or fails: what is kept is sent, and what is lost is told at once."""

import errno
import json
import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from app.tracking import Run, TrackingError, sync
from app.tracking.journal import Journal, read_journal
from app.tracking.operations import Metrics, Operation, Status, Tags, to_line
from app.tracking.writer import Writer
from tests.app.faulty_disk import FaultyDisk, restore

MS = 1_700_000_000_000
HEAD = {"run": "f" * 32, "store": "http://127.0.0.1:5000"}
NAME = f"tracking-{HEAD['run']}.jsonl"


def tags(number: int) -> Tags:
    return Tags({"number": str(number)})


def kept(path: Path) -> list[Operation]:
    return [operation for _, operation in read_journal(path).operations]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["full", "failing"])
def test_what_cannot_be_appended_is_taken_back_at_every_step(tmp_path, monkeypatch, code):
    for number in range(1, 30):
        folder = tmp_path / str(number)
        folder.mkdir()
        journal, done = Journal(folder / NAME, HEAD), []
        with monkeypatch.context() as patch:
            disk = FaultyDisk(folder, number, code).install(patch)
            for each in range(3):
                try:
                    journal.keep([tags(each)])
                except OSError:
                    break
                done.append(tags(each))
        if len(done) == 3:
            # By hand: 4 steps make the file (write, sync, move, sync of the folder), then 2 for each of two lines.
            assert len(disk.events) == 8
            break
        # The folder's sync fails after the move: then the line is there, and kept once more below, which is harmless.
        before = kept(folder / NAME) if (folder / NAME).exists() else []
        assert before in (done, [*done, tags(len(done))])
        journal.keep([tags(each) for each in range(len(done), 3)])
        assert read_journal(folder / NAME).damaged == ()
        assert kept(folder / NAME) == [*before, *(tags(each) for each in range(len(done), 3))]
        assert [path.name for path in folder.iterdir()] == [NAME]


def test_a_power_failure_loses_no_line_that_was_kept(tmp_path, monkeypatch):
    folder, after, kept_by = tmp_path / "out", tmp_path / "after", {}
    folder.mkdir()
    after.mkdir()
    with monkeypatch.context() as patch:
        disk = FaultyDisk(folder).install(patch)
        journal = Journal(folder / NAME, HEAD)
        for each in range(3):
            journal.keep([tags(each)])
            kept_by[each] = (disk.lost(), disk.eager())
    for each, states in kept_by.items():
        for state in states:
            restore(after, state)
            assert kept(after / NAME) == [tags(number) for number in range(each + 1)]


def test_a_line_that_was_begun_and_not_taken_back_does_not_swallow_the_next(tmp_path):
    journal = Journal(tmp_path / NAME, HEAD)
    journal.keep([tags(0)])
    with (tmp_path / NAME).open("a") as file:
        file.write(to_line(tags(1))[:20])
    journal.keep([tags(2)])
    found = read_journal(tmp_path / NAME)
    assert [operation for _, operation in found.operations] == [tags(0), tags(2)]
    assert (found.damaged, found.lost) == ((3,), 20)


class Store:
    """A store that fails until it is back."""

    def __init__(self) -> None:
        self.is_back = False
        self.tags: list[str] = []
        self.status = ""

    def log_batch(self, run_id: str, metrics: object = (), params: object = (), tags: list = ()) -> None:  # type: ignore[assignment]
        if not self.is_back:
            raise ConnectionError("gone")
        self.tags += [tag.value for tag in tags]

    def set_terminated(self, run_id: str, status: str, time: int) -> None:
        if not self.is_back:
            raise ConnectionError("gone")
        self.status = status


class FullJournal(Journal):
    """On a disk without room, until there is some."""

    has_room = False

    def keep(self, operations: object) -> None:
        if not self.has_room:
            raise OSError(errno.ENOSPC, "No space left on device", str(self.path))
        super().keep(operations)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_RETRY_SECONDS", "LAST_RETRY_SECONDS"):
        monkeypatch.setattr(f"app.tracking.writer.{name}", 0.02)


def wait_for(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(500):
        if condition():
            return
        waiting.wait(0.02)
    raise AssertionError


@pytest.mark.usefixtures("quick")
def test_what_a_full_disk_does_not_take_is_told_at_once_and_kept_when_there_is_room(tmp_path, caplog):
    journal, store = FullJournal(tmp_path / NAME, HEAD), Store()
    writer = Writer(store, HEAD["run"], journal)
    writer.put(tags(0))
    wait_for(lambda: "are in memory only, and lost if this process ends now" in caplog.text)
    assert "is kept in memory until the store is back" in caplog.text
    writer.put(tags(1))
    assert writer.unkept == 2
    assert len([record for record in caplog.records if "in memory only, and lost" in record.message]) == 1
    journal.has_room = True
    writer.put(tags(2))
    assert "can be written again, and holds all that was in memory only" in caplog.text
    assert writer.unkept == 0
    assert kept(tmp_path / NAME) == [tags(0), tags(1), tags(2)]
    store.is_back = True
    assert writer.close()
    assert store.tags == ["0", "1", "2"]
    assert not (tmp_path / NAME).exists()


@pytest.mark.usefixtures("quick")
def test_a_store_that_comes_back_takes_what_was_in_memory_alone(tmp_path):
    store = Store()
    writer = Writer(store, HEAD["run"], FullJournal(tmp_path / NAME, HEAD))
    for each in range(3):
        writer.put(tags(each))
    store.is_back = True
    assert writer.close()
    assert (store.tags, writer.unkept) == (["0", "1", "2"], 0)


@pytest.mark.usefixtures("quick")
def test_a_disk_full_to_the_end_is_told_with_how_much_is_lost_and_never_that_all_is_kept(place, monkeypatch, caplog):
    with caplog.at_level(logging.WARNING), Run("study", folder=place / "out") as run:
        monkeypatch.setattr(run._writer, "_client", Store())
        run.tags({"first": "1"})
        wait_for(lambda: run._writer.journal.path.exists())
        monkeypatch.setattr(run._writer.journal, "keep", FullJournal(place / NAME, HEAD).keep)
        run.tags({"second": "2"})
    told = [record.message for record in caplog.records]
    # By hand: the second tags and the status.
    assert any("the last 2 entries of the run, its status among them, are lost" in each for each in told)
    assert any(f"What is missing otherwise is kept in {place}/out/tracking-{run.id}.jsonl" in each for each in told)
    assert kept(place / "out" / f"tracking-{run.id}.jsonl") == [Tags({"first": "1"})]
    assert sync(place / "out" / f"tracking-{run.id}.jsonl") == 1
    assert mlflow.MlflowClient(f"sqlite:///{place}/mlflow.db").get_run(run.id).data.tags["first"] == "1"


@pytest.fixture
def damaged(place: Path) -> Callable[..., tuple[str, Path]]:
    """A local run, with a journal of these lines."""
    with Run("study", folder=place / "out") as run:
        pass

    def write(*lines: bytes, head: bytes | None = None) -> tuple[str, Path]:
        named = json.dumps({"run": run.id, "store": f"sqlite:///{place}/mlflow.db"}).encode()
        path = place / "out" / f"tracking-{run.id}.jsonl"
        path.write_bytes(b"\n".join([named if head is None else head, *lines]))
        return run.id, path

    return write


ONE = to_line(Tags({"one": "1"})).encode()
TWO = to_line(Metrics((("loss", 0.5, MS, 3),))).encode()
LAST = to_line(Status("FINISHED", MS)).encode()
CUT = [
    pytest.param((ONE, TWO, LAST[:-9]), 2, "the last line is cut short", id="tail"),
    pytest.param((ONE, TWO[:30] + TWO, LAST, b""), 3, r"line 3 is cut short or damaged.* \(30 bytes\)", id="glued"),
    pytest.param((ONE, TWO, b"\0" * 64), 2, "the last line is cut short", id="zeros"),
    pytest.param((b"\xff\xfe", b"[]", TWO, b'{"kind": "magic"}'), 1, "lines 2, 3, 5 are cut short", id="many"),
]


@pytest.mark.parametrize(("lines", "good", "told"), CUT)
def test_sync_sends_what_is_whole_and_tells_what_is_lost(place, damaged, caplog, lines, good, told):
    run_id, path = damaged(*lines)
    assert sync(path) == good
    assert re.search(told, caplog.text)
    assert f"the other {good} entries are written to run {run_id}" in caplog.text
    assert not path.exists()
    assert path.with_name(f"{path.name}.damaged").exists()
    assert mlflow.MlflowClient(f"sqlite:///{place}/mlflow.db").get_metric_history(run_id, "loss")[0].step == 3


@pytest.mark.parametrize(("lines", "good", "told"), CUT)
def test_resuming_sends_what_is_whole_and_goes_on(place, damaged, lines, good, told):
    run_id, path = damaged(*lines)
    with Run("study", folder=place / "out", resume=run_id) as run:
        assert run.steps("loss") == {3}
    assert run.id == run_id
    assert not path.exists()


@pytest.mark.parametrize("head", [b"", b'{"run": "', b"\0" * 30], ids=["empty", "cut", "zeros"])
def test_without_a_head_the_name_tells_the_run_and_the_user_the_store(place, damaged, head):
    run_id, path = damaged(ONE, TWO, head=head)
    with pytest.raises(TrackingError, match=r"does not say which store its run is in: name it with --tracking_uri URI"):
        sync(path)
    assert sync(path, f"sqlite:///{place}/mlflow.db") == 2
    assert mlflow.MlflowClient(f"sqlite:///{place}/mlflow.db").get_run(run_id).data.tags["one"] == "1"


def test_an_empty_journal_is_no_obstacle(place, damaged, caplog):
    run_id, path = damaged(head=b"")
    with Run("study", folder=place / "out", resume=run_id) as run:
        assert run.id == run_id
    assert "0 bytes" in caplog.text
    assert not path.exists()
