"""The GPUs that processes of one machine are dealt."""

import pytest

from app.cluster.shares import deal, visible_devices


@pytest.mark.parametrize(
    ("devices", "jobs", "dealt"),
    [
        ("0123", 4, ["0", "1", "2", "3"]),
        ("0123", 2, ["01", "23"]),
        ("0123", 3, ["0", "1", "23"]),
        ("01", 4, ["0", "1", "0", "1"]),
        ("", 2, ["", ""]),
    ],
)
def test_devices_are_dealt_out_evenly(devices, jobs, dealt):
    assert deal(devices, jobs) == [tuple(each) for each in dealt]


def test_only_devices_that_are_visible_are_dealt(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-8f2c")
    assert visible_devices() == ("3", "GPU-8f2c")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_devices() == ()
