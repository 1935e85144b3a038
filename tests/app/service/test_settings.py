"""Settings: strict, and problems named by their key."""

from pathlib import Path

import pytest
import yaml

from app.service.settings import read_settings

GOOD = {
    "weights": "nodule_detection",
    "spool": "spool",
    "receive": [{"dicom": {"port": 11112, "peers": [{"title": "PACS", "address": "10.0.0.0/8"}]}}],
    "send": {"stow": {"url": "http://pacs:8042/dicom-web"}},
}


def read(tmp_path, health_port=None, **changes):
    path = tmp_path / "service.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}))
    return read_settings(path, health_port)


def test_good_settings_with_what_is_left_out(tmp_path):
    settings = read(tmp_path)
    dicom = settings.receive[0].dicom
    assert (dicom.title, dicom.address, dicom.largest_mb) == ("FRUGAL", "127.0.0.1", 256)
    assert (list(settings.results), settings.keep_images) == (["sr", "sc"], False)
    assert (settings.images.unknown_view, settings.images.unknown_part) == (False, False)


def test_the_command_line_goes_over_the_files_port(tmp_path):
    assert read(tmp_path, 9000, health={"address": "0.0.0.0"}).health.port == 9000
    assert read(tmp_path, 9000, health={"address": "0.0.0.0"}).health.address == "0.0.0.0"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"recieve": []}, "recieve: Extra inputs are not permitted"),
        ({"receive": [{"dicom": {"port": 11112}}]}, "receive.0.dicom.peers: Field required"),
        ({"receive": [{"dicom": {"port": 0, "peers": "any"}}]}, "receive.0.dicom.port: .*greater than or equal to 1"),
        ({"receive": [{"dicom": {"port": 1, "peers": "any", "tilte": "A"}}]}, "receive.0.dicom.tilte: Extra inputs"),
        ({"receive": [{}]}, "receive.0: .*exactly one of dicom, folder, dicomweb, orthanc is needed, not none"),
        ({"receive": []}, "receive: List should have at least 1 item"),
        ({"send": {"folder": {"path": "a"}, "stow": {"url": "http://a"}}}, "send: .*not stow and folder"),
        ({"send": {"stow": {"url": "pacs:8042"}}}, "send.stow.url: String should match pattern"),
        ({"send": {"stow": {"url": "http://me:word@pacs"}}}, "send.stow.url: String should match pattern"),
        ({"results": ["pdf"]}, "results.0: Input should be 'sr', 'seg', 'gsps', 'sc' or 'plain_seg'"),
        ({"options": {"checkpoint": "a"}}, "options: .*checkpoint is set by the service"),
        ({"send": {"store": {"host": "a", "port": 1, "title": "SEVENTEEN_LETTERS"}}}, "send.store.title: .*at most 16"),
    ],
)
def test_problems_name_the_key(tmp_path, changes, problem):
    with pytest.raises(ValueError, match=problem):
        read(tmp_path, **changes)


@pytest.mark.parametrize("name", ["service.yaml", "kubernetes.yaml"])
def test_the_settings_of_the_containers_are_good(tmp_path, name):
    path = Path(__file__).parents[3] / "docs/pacs" / name
    documents = list(yaml.safe_load_all(path.read_text()))
    if name == "kubernetes.yaml":
        path = tmp_path / "service.yaml"
        path.write_text(documents[0]["data"]["service.yaml"])
        container = documents[2]["spec"]["template"]["spec"]["containers"][0]
        assert container["command"] == ["frugal", "serve", "/etc/frugal/service.yaml"]
        assert {each["containerPort"] for each in container["ports"]} == {8080, 11112}
        assert container["env"][0]["name"] == "MLFLOW_TRACKING_URI"
        assert "tracking" not in documents[0]["data"]["service.yaml"]  # which the image's MLFLOW_TRACKING_URI overrides
    settings = read_settings(path)
    assert settings.health.address == settings.receive[0].dicom.address == "0.0.0.0"


def test_a_list_is_no_settings(tmp_path):
    (tmp_path / "service.yaml").write_text("[1]")
    with pytest.raises(ValueError, match="not a service's settings"):
        read_settings(tmp_path / "service.yaml")
