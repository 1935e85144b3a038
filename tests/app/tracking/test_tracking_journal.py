"""The journal of an outage on a disk that fills up or fails: what is kept is sent, and what is lost is told at once."""

import errno
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from app.tracking import Run, TrackingError, sync
from app.tracking.journal import Journal, read_journal
from app.tracking.operations import Batch, Operation, Status, from_line, to_line
from app.tracking.writer import Writer
from tests.app.faulty_disk import FaultyDisk, restore

MS = 1_700_000_000_000
HEAD = {"run": "f" * 32, "store": "http://127.0.0.1:5000"}
NAME = f"tracking-{HEAD['run']}.jsonl"


def tags(number: int) -> Batch:
    return Batch(tags={"number": str(number)})


def kept(path: Path) -> list[Operation]:
    return list(read_journal(path)[1].values())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["full", "failing"])
def test_a_disk_that_fails_at_any_step_leaves_the_version_before(tmp_path, monkeypatch, code):
    # By hand: each of three versions is written, synced and moved, and the folder is synced.
    for number in range(1, 13):
        folder = tmp_path / str(number)
        folder.mkdir()
        journal, written = Journal(folder / NAME, HEAD), 0
        with monkeypatch.context() as patch:
            disk = FaultyDisk(folder, number, code).install(patch)
            with pytest.raises(OSError, match=r"the file was not written, and an older one is intact"):  # noqa: PT012
                for each in range(1, 4):
                    journal.write(map(tags, range(each)))
                    written = each
        # If only the sync of the folder fails, the new version is there already.
        versions = [list(map(tags, range(each))) for each in (written, written + disk.events[-1].startswith("fsync ."))]
        if (folder / NAME).exists():
            assert kept(folder / NAME) in versions
        else:
            assert written == 0
        journal.write(map(tags, range(3)))
        assert kept(folder / NAME) == [tags(0), tags(1), tags(2)]
        assert [path.name for path in folder.iterdir()] == [NAME]


def test_a_power_failure_loses_nothing_that_was_kept(tmp_path, monkeypatch):
    folder, after = tmp_path / "out", tmp_path / "after"
    folder.mkdir()
    after.mkdir()
    with monkeypatch.context() as patch:
        disk = FaultyDisk(folder).install(patch)
        states = []
        for count in range(1, 4):
            Journal(folder / NAME, HEAD).write(map(tags, range(count)))
            states += [(count, disk.lost()), (count, disk.eager())]
    for count, state in states:
        restore(after, state)
        assert kept(after / NAME) == list(map(tags, range(count)))


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

    def write(self, operations: object) -> None:
        if not self.has_room:
            raise OSError(errno.ENOSPC, "No space left on device", str(self.path))
        super().write(operations)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.tracking.writer.RETRY_SECONDS", 0.02)
    monkeypatch.setattr("app.tracking.writer.CLOSING_SECONDS", 0.2)


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
    wait_for(lambda: "the tracking store fails" in caplog.text)
    writer.put(tags(1))
    assert writer.pending.unkept == 2
    assert "the last 2 entries that the tracking store did not take are in memory only" in caplog.text
    journal.has_room = True
    writer.put(tags(2))
    assert writer.pending.unkept == 0
    assert kept(tmp_path / NAME) == [tags(0), tags(1), tags(2)]
    store.is_back = True
    writer.close()
    assert store.tags == ["0", "1", "2"]
    assert not (tmp_path / NAME).exists()


@pytest.mark.usefixtures("quick")
def test_a_store_that_comes_back_takes_what_was_in_memory_alone(tmp_path):
    store = Store()
    writer = Writer(store, HEAD["run"], FullJournal(tmp_path / NAME, HEAD))
    for each in range(3):
        writer.put(tags(each))
    store.is_back = True
    writer.close()
    assert (store.tags, writer.pending.unkept) == (["0", "1", "2"], 0)


@pytest.mark.usefixtures("quick")
def test_a_disk_full_to_the_end_is_told_with_how_much_is_lost_and_never_that_all_is_kept(place, monkeypatch, caplog):
    with caplog.at_level(logging.WARNING), Run("study", folder=place / "out") as run:
        monkeypatch.setattr(run._writer, "_client", Store())
        run.tags({"first": "1"})
        journal = run._writer.pending.journal
        wait_for(journal.path.exists)
        monkeypatch.setattr(journal, "write", FullJournal(place / NAME, HEAD).write)
        run.tags({"second": "2"})
    told = [record.message for record in caplog.records]
    # By hand: the second tags and the status.
    assert any("the last 2 entries of the run, its status among them, are lost" in each for each in told)
    assert any(f"What can be saved is kept in {place}/out/tracking-{run.id}.jsonl" in each for each in told)
    assert kept(place / "out" / f"tracking-{run.id}.jsonl") == [Batch(tags={"first": "1"})]
    assert sync(place / "out" / f"tracking-{run.id}.jsonl") == 1
    assert mlflow.MlflowClient(f"sqlite:///{place}/mlflow.db").get_run(run.id).data.tags["first"] == "1"


@pytest.fixture
def journal(place: Path) -> Callable[..., tuple[str, Path]]:
    """Writes a journal of these lines for a local run; gives the run's id and the file."""
    with Run("study", folder=place / "out") as run:
        pass

    def write(*lines: bytes, head: bytes | None = None) -> tuple[str, Path]:
        own = json.dumps({"run": run.id, "store": f"sqlite:///{place}/mlflow.db"}).encode()
        path = place / "out" / f"tracking-{run.id}.jsonl"
        path.write_bytes(b"\n".join([own if head is None else head, *lines]))
        return run.id, path

    return write


ONE = to_line(Batch(tags={"one": "1"})).encode()
TWO = to_line(Batch((("loss", 0.5, MS, 3),), parameters={"lr": "0.1"})).encode()
GONE = b'{"kind": "artifact", "path": "/no/model.pt", "folder": ""}'
CUT = to_line(Status("FINISHED", MS)).encode()[:-9]


@pytest.mark.parametrize(
    ("lines", "whole", "damaged"),
    [
        pytest.param((ONE, TWO, CUT), 2, "4", id="tail"),
        pytest.param((ONE, TWO, b"\0" * 64), 2, "4", id="zeros"),
        pytest.param((b"\xff\xfe", b"[]", TWO, b'{"kind": "magic"}'), 1, "2, 3, 5", id="many"),
    ],
)
def test_sync_sends_whole_lines_and_names_damaged_ones(place, journal, caplog, lines, whole, damaged):
    run_id, path = journal(*lines)
    assert sync(path) == whole
    assert f"damaged lines, whose content is lost: {damaged}. The other {whole} entries are written" in caplog.text
    assert not path.exists()
    assert path.with_name(f"{path.name}.damaged").exists()
    assert mlflow.MlflowClient(f"sqlite:///{place}/mlflow.db").get_metric_history(run_id, "loss")[0].step == 3


@pytest.mark.parametrize(("head", "steps"), [(None, {3}), (b"", {3})], ids=["tail", "empty head"])
def test_a_damaged_journal_is_no_obstacle_to_resuming(place, journal, caplog, head, steps):
    run_id, path = journal(TWO, CUT, head=head)
    with Run("study", folder=place / "out", resume=run_id) as run:
        assert run.steps("loss") == steps
    assert run.id == run_id
    assert "damaged lines, whose content is lost" in caplog.text
    assert not path.exists()


@pytest.mark.parametrize("head", [b"", b'{"run": "', b"\0" * 30], ids=["empty", "cut", "zeros"])
def test_without_a_head_the_name_tells_the_run_and_the_user_the_store(place, journal, head):
    run_id, path = journal(ONE, TWO, head=head)
    with pytest.raises(TrackingError, match=r"does not name its run's store: give it with --tracking_uri URI"):
        sync(path)
    assert sync(path, f"sqlite:///{place}/mlflow.db") == 2
    assert mlflow.MlflowClient(f"sqlite:///{place}/mlflow.db").get_run(run_id).data.tags["one"] == "1"


def test_sync_twice_changes_nothing(place, journal):
    client = mlflow.MlflowClient(f"sqlite:///{place}/mlflow.db")
    for _ in range(2):
        run_id, path = journal(ONE, TWO)
        assert sync(path) == 2
        assert not path.exists()
    assert len(client.get_metric_history(run_id, "loss")) == 1


def test_sync_names_a_file_that_is_gone(journal, caplog):
    _, path = journal(GONE, ONE)
    assert sync(path) == 1
    assert "line 2: /no/model.pt is gone" in caplog.text


def test_sync_of_a_run_that_was_deleted_keeps_the_file(place, journal):
    head = json.dumps({"run": "0" * 32, "store": f"sqlite:///{place}/mlflow.db"}).encode()
    _, path = journal(ONE, head=head)
    with pytest.raises(TrackingError, match=r"line 2: sqlite.* did not take it: .*not found"):
        sync(path)
    assert path.exists()


def test_lines_hold_operations_exactly():
    operations = [Batch((("loss", float("inf"), MS, -1), ("Erguß", 0.1, MS, 2))), Batch(tags={"a": "b\nc"})]
    for operation in operations:
        line = to_line(operation)
        assert "\n" not in line
        assert from_line(line) == operation
