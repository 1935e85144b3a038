"""Fetching from a folder and from servers: each object once, nothing missed, nothing half written."""

from threading import Event

import pytest
import requests

from app.service import polling
from app.service.polling import Dicomweb, Folder, Orthanc
from app.service.settings import DicomwebReceiver, FolderReceiver, OrthancReceiver
from app.service.spool import Shard
from app.service.waiting import NotNowError
from tests.app.service.conftest import content, radiograph

ALL = Shard()


def folder(tmp_path, spool, table, **changes):
    (tmp_path / "in").mkdir(exist_ok=True)
    return Folder(FolderReceiver(path=tmp_path / "in", **changes), spool, table)


def test_a_file_is_taken_once_it_rests_and_only_once(tmp_path, spool, table):
    source = folder(tmp_path, spool, table)
    path = tmp_path / "in/a/1.dcm"
    path.parent.mkdir()
    path.write_bytes(b"first half")
    assert source.look() == 0
    path.write_bytes(b"first half and second half")
    assert [source.look(), source.look(), source.look()] == [0, 1, 0]
    assert spool.waiting(ALL)[0].path.read_bytes() == b"first half and second half"
    again = folder(tmp_path, spool, table)  # as after a restart
    assert [again.look(), again.look()] == [0, 0]


def test_files_are_removed_if_that_is_wanted_and_hidden_ones_are_left(tmp_path, spool, table):
    source = folder(tmp_path, spool, table, remove=True)
    (tmp_path / "in/1.dcm").write_bytes(b"a")
    (tmp_path / "in/.2.dcm.part").write_bytes(b"b")
    assert [source.look(), source.look()] == [0, 1]
    assert [path.name for path in (tmp_path / "in").iterdir()] == [".2.dcm.part"]


def test_a_file_that_is_too_large_stays(tmp_path, spool, table, caplog):
    source = folder(tmp_path, spool, table, remove=True, largest_mb=1)
    (tmp_path / "in/1.dcm").write_bytes(bytes(1_500_000))
    assert [source.look(), source.look(), source.look()] == [0, 0, 0]
    assert caplog.text.count("a file of 1 MB is not taken: largest_mb is 1") == 1
    assert (tmp_path / "in/1.dcm").exists()


def test_a_folder_that_is_away_is_waited_for(tmp_path, spool, table):
    with pytest.raises(NotNowError, match="is not there"):
        Folder(FolderReceiver(path=tmp_path / "no"), spool, table).look()


class FakeOrthanc:
    """Answers as Orthanc 1.10 does, with a feed of changes."""

    def __init__(self, modalities):
        self.modalities = list(modalities)
        self.asked = []

    def get(self, url):
        self.asked.append(url)
        path = url.removeprefix("http://orthanc")
        response = requests.Response()
        response.status_code = 200
        answer = self.answer(path)
        if answer is None:
            response.status_code = 404
        else:
            response._content = answer
        return response

    def answer(self, path):
        import json

        total = 2 * len(self.modalities)
        if path == "/changes?last":
            return json.dumps({"Changes": [], "Done": True, "Last": total}).encode()
        if path.startswith("/changes?since="):
            since = int(path.split("=")[1].split("&")[0])
            kinds = ("NewInstance", "NewSeries")
            changes = [{"ID": str(n // 2), "ChangeType": kinds[n % 2]} for n in range(since, min(since + 3, total))]
            last = since + len(changes)
            return json.dumps({"Changes": changes, "Done": last == total, "Last": last}).encode()
        kind, number, *rest = path.strip("/").split("/")
        modality = self.modalities[int(number)]
        if modality is None:
            return None
        if kind == "series":
            return json.dumps({"MainDicomTags": {"Modality": modality}}).encode()
        return content(radiograph(int(number))) if rest else json.dumps({"ParentSeries": number}).encode()


def test_changes_of_an_orthanc_are_followed_across_restarts(spool, table):
    server = FakeOrthanc(["CR", "SR", None, "DX"])  # the third was deleted meanwhile

    def source(**changes):
        made = Orthanc(OrthancReceiver(url="http://orthanc/", **changes), spool, table)
        made._session = server
        return made

    assert source(from_beginning=True).look() == 2
    assert len(spool.waiting(ALL)) == 2
    assert source(from_beginning=True).look() == 0
    server.modalities.append("CR")
    assert source().look() == 1
    assert not [url for url in server.asked if url.endswith("/instances/1/file")]  # no report is fetched


def test_an_orthanc_is_followed_from_the_first_start_on(spool, table):
    source = Orthanc(OrthancReceiver(url="http://orthanc"), spool, table)
    source._session = FakeOrthanc(["CR"])
    assert source.look() == 0
    source._session.modalities.append("CR")
    assert source.look() == 1


class FakeDicomweb:
    """A DICOMweb server with series of radiographs."""

    def __init__(self):
        self.series, self.searches = {"2.25.81": ["1"]}, 0

    def search_for_series(self, fields, limit, offset, search_filters):
        self.filters = search_filters
        found = [] if search_filters["Modality"] == "DX" else list(self.series.items())
        return [
            {"0020000D": {"Value": ["2.25.91"]}, "0020000E": {"Value": [name]}, "00201209": {"Value": [len(numbers)]}}
            for name, numbers in found[offset : offset + limit]
        ]

    def search_for_instances(self, study, series):
        self.searches += 1
        return [{"00080018": {"Value": [f"2.25.{number}"]}} for number in self.series[series]]

    def retrieve_instance(self, study, series, instance):
        return radiograph(int(instance.rpartition(".")[2]))


def test_a_dicomweb_server_is_asked_for_what_is_new(spool, table):
    source = Dicomweb(DicomwebReceiver(url="http://pacs/dicom-web"), spool, table)
    source.client = server = FakeDicomweb()
    assert [source.look(), source.look()] == [1, 0]
    assert server.searches == 1  # a series of as many images is not looked into again
    assert server.filters["StudyDate"].endswith("-")
    server.series["2.25.81"].append("2")
    assert [source.look(), source.look()] == [1, 0]
    assert len(spool.waiting(ALL)) == 2


def test_a_server_that_is_away_is_asked_again(monkeypatch, caplog):
    monkeypatch.setattr("app.service.waiting.FIRST", 0.0)
    stop, answers = Event(), [requests.ConnectionError("http://me:word@pacs/2.25.1"), NotNowError("away"), None]

    def look():
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        stop.set()

    polling.run(look, 0.0, stop)
    assert answers == []
    assert "asked again later (ConnectionError)" in caplog.text
    assert "2.25.1" not in caplog.text
