"""Results reach their target once and whole; what cannot be sent is kept, and what is refused is set aside."""

from threading import Event

import pydicom
import pytest
import requests
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt

from app.service import sending
from app.service.settings import FolderTarget, StoreTarget, StowTarget, Target
from app.service.spool import Shard
from app.service.table import REFUSED, SCORED, SENT
from app.service.targets import RefusedError, open_target
from app.service.waiting import NotNowError
from tests.app.service.conftest import radiograph

ALL = Shard()
NAMES = [f"s{number:016x}-i{number:016x}" for number in range(3)]


@pytest.fixture
def outbox(spool, table):
    """Results of three images."""
    for number, name in enumerate(NAMES):
        table.begin(name, number, number)
        table.scored(name, number, "", {}, False)
        spool.deliver(name, [("sr-1", radiograph(10 * number)), ("sc-1", radiograph(10 * number + 1))])
    return spool


class Scripted:
    """A target that fails as it is told, by image."""

    def __init__(self, stop: Event, **failures: list[Exception]) -> None:
        self.failures = {NAMES[int(name[1:])]: list(errors) for name, errors in failures.items()}
        self.stop, self.stored = stop, []

    def send(self, name, files):
        errors = self.failures.get(name)
        if errors:
            raise errors.pop(0)
        self.stored.append((name, [file.name for file in files]))
        if len(self.stored) == 3 - sum(isinstance(e, RefusedError) for e in self.refused()):
            self.stop.set()

    def refused(self):
        return [error for errors in self.failures.values() for error in errors]


def run(target, outbox, table, stop, monkeypatch):
    monkeypatch.setattr("app.service.waiting.FIRST", 0.0)  # so that nobody waits for the second try
    sending.run(target, outbox, table, ALL, stop)


def test_results_that_fail_now_are_kept_and_sent_later_behind_the_others(outbox, table, monkeypatch):
    stop = Event()
    target = Scripted(stop, n0=[NotNowError("out of resources")] * 2)
    run(target, outbox, table, stop, monkeypatch)
    assert [name for name, _ in target.stored] == [NAMES[1], NAMES[2], NAMES[0]]
    assert target.stored[0][1] == ["sc-1.dcm", "sr-1.dcm"]
    assert outbox.to_send(ALL) == []
    assert table.counts()[SENT] == 3


def test_a_full_disk_is_waited_for(outbox, table, monkeypatch):
    stop = Event()
    target = Scripted(stop, n0=[OSError(28, "No space left on device")], n1=[PermissionError(13, "no")])
    run(target, outbox, table, stop, monkeypatch)
    assert table.counts()[SENT] == 3


def test_refused_results_are_set_aside_with_the_reason(outbox, table):
    results = outbox.to_send(ALL)[0]
    sending.send(Scripted(Event(), n0=[RefusedError("not stored (0xA900)")]), outbox, table, results)
    assert (outbox.quarantine / f"{NAMES[0]}.txt").read_text() == "results: not stored (0xA900)\n"
    assert len(list((outbox.quarantine / NAMES[0]).glob("*.dcm"))) == 2
    assert (table.counts()[REFUSED], table.counts()[SCORED]) == (1, 2)


def test_an_image_without_results_is_done(spool, table):
    table.begin(NAMES[0], 0, 0)
    spool.deliver(NAMES[0], [])
    sending.send(Scripted(Event(), n0=[AssertionError]), spool, table, spool.to_send(ALL)[0])
    assert table.counts()[SENT] == 1


def test_a_folder_gets_files_named_by_pseudonyms(outbox, table, tmp_path):
    target = open_target(Target(folder=FolderTarget(path=tmp_path / "out")))
    sending.send(target, outbox, table, outbox.to_send(ALL)[0])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{NAMES[0]}.sc-1.dcm",
        f"{NAMES[0]}.sr-1.dcm",
    ]


@pytest.fixture
def provider():
    """A C-STORE provider that answers with ``status``; yields (port, stored, set_status)."""
    state = {"status": 0}
    stored = []

    def store(event):
        stored.append(event.request.AffectedSOPInstanceUID)
        return state["status"]

    entity = AE("PACS")
    entity.require_called_aet = True
    entity.add_supported_context(radiograph().SOPClassUID, ExplicitVRLittleEndian)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    yield server.server_address[1], stored, state
    server.shutdown()


def store_target(port, title="PACS"):
    return open_target(Target(store=StoreTarget(host="127.0.0.1", port=port, title=title)))


def test_c_store(outbox, provider):
    port, stored, state = provider
    files = sorted(outbox.to_send(ALL)[1].path.iterdir())
    store_target(port).send(NAMES[1], files)
    assert stored == ["2.25.11", "2.25.10"]
    state["status"] = 0xB000  # coercion of data elements: stored
    store_target(port).send(NAMES[1], files)
    state["status"] = 0xA700
    with pytest.raises(NotNowError, match=r"out of resources \(0xA700\)"):
        store_target(port).send(NAMES[1], files)
    state["status"] = 0xA900
    with pytest.raises(RefusedError, match=r"not stored \(0xA900\)"):
        store_target(port).send(NAMES[1], files)
    with pytest.raises(NotNowError, match="OTHER rejects our association"):
        store_target(port, "OTHER").send(NAMES[1], files)


def test_a_provider_that_is_away_or_takes_no_such_object(outbox, provider):
    port, _, _ = provider
    file = next(outbox.to_send(ALL)[0].path.iterdir())
    report = pydicom.dcmread(file)
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.34"
    report.save_as(file)
    with pytest.raises(NotNowError, match="PACS"):
        store_target(port).send(NAMES[0], [file])
    with pytest.raises(NotNowError, match="PACS cannot be reached"):
        store_target(1).send(NAMES[0], [file])


class Answer:
    """What a DICOMweb server answers."""

    def __init__(self, status=200, failed=()):
        self.status, self.failed = status, failed

    def store_instances(self, datasets):
        self.count = len(datasets)
        if self.status == 0:
            raise requests.ConnectionError("http://pacs")
        if self.status != 200:
            response = requests.Response()
            response.status_code = self.status
            raise requests.HTTPError("no", response=response)
        answer = pydicom.Dataset()
        answer.FailedSOPSequence = [pydicom.Dataset() for _ in self.failed]
        for item, reason in zip(answer.FailedSOPSequence, self.failed, strict=True):
            item.FailureReason = reason
        return answer


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(), None),
        (Answer(0), NotNowError),
        (Answer(503), NotNowError),
        (Answer(401), NotNowError),
        (Answer(400), RefusedError),
        (Answer(failed=[0xA700]), NotNowError),
        (Answer(failed=[0xC000]), RefusedError),
    ],
    ids=["stored", "away", "503", "401", "400", "0xA700", "0xC000"],
)
def test_stow(outbox, answer, error):
    target = open_target(Target(stow=StowTarget(url="http://pacs/dicom-web")))
    target._client = answer
    files = sorted(outbox.to_send(ALL)[0].path.iterdir())
    if error is None:
        target.send(NAMES[0], files)
        assert answer.count == 2
        return
    with pytest.raises(error) as caught:
        target.send(NAMES[0], files)
    assert "http" not in str(caught.value)


def test_a_file_of_the_settings_that_is_missing_is_told(outbox, table, monkeypatch, caplog):
    stop = Event()
    run(
        Scripted(stop, n0=[FileNotFoundError(2, "No such file or directory", "key.pem")]),
        outbox,
        table,
        stop,
        monkeypatch,
    )
    assert "results are kept and sent later: No such file or directory" in caplog.text
    assert table.counts()[SENT] == 3
