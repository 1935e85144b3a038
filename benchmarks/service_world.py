"""What the benchmarks of the service share: an Orthanc, a service that can be killed, and radiographs to send."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pydicom
import requests
import yaml
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.presentation import build_context

ORTHANC_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
NAME, PATIENT, ACCESSION = "Zzyzxson", "QPID", "QACC"
"""Beginnings of names and numbers that stand nowhere else, so that they can be looked for."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def require_orthanc() -> None:
    if shutil.which("Orthanc") is None or not ORTHANC_PLUGIN.exists():
        sys.exit("Orthanc is needed: apt-get install orthanc orthanc-dicomweb (Debian)")


class Orthanc:
    """An Orthanc in a folder, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.http, self.dicom = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http}"
        config = {
            "Name": "ORTHANC",
            "DicomAet": "ORTHANC",
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "HttpPort": self.http,
            "DicomPort": self.dicom,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "Plugins": [str(ORTHANC_PLUGIN)],
            "DicomAlwaysAllowStore": True,
        }
        self.config, self.log = folder / "orthanc.json", folder / "orthanc.log"
        self.config.write_text(json.dumps(config))
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(["Orthanc", str(self.config)], stdout=log, stderr=log)
        wait_for(lambda: requests.get(f"{self.url}/system", timeout=5).ok, "Orthanc", 120)

    def kill(self) -> None:
        """Kill, as by kill -9."""
        self.process.kill()
        self.process.wait()

    def dicomweb(self, path: str) -> list[dict]:
        """Ask by DICOMweb."""
        answer = requests.get(f"{self.url}/dicom-web{path}", headers={"Accept": "application/dicom+json"}, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else []


class Service:
    """A ``frugal serve`` in a folder, which can be killed and started again.

    Args:
        folder: For its settings and its log.
        settings: In place of the usual ones.
        receive: Further ways in.
        shard: Its share of the examinations.
        core: Number of the only processor core that it may use; None for all.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict,
        receive: Sequence[dict] = (),
        shard: str = "1/1",
        core: int | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.shard, self.core = shard, core
        self.port, self.health = free_port(), free_port()
        self.spool = Path(settings.get("spool") or folder / "spool")
        settings = {
            "weights": "nodule_detection",
            "spool": str(self.spool),
            "receive": [{"dicom": {"port": self.port, "peers": "any"}}, *receive],
            "results": ["sr", "sc"],
            "health": {"port": self.health},
            "tracking": {"uri": f"sqlite:///{folder / 'mlflow.db'}"},
            **settings,
        }
        self.config, self.log, self.folder = folder / "service.yaml", folder / "service.log", folder
        self.config.write_text(yaml.safe_dump(settings))
        self.start()

    def start(self) -> None:
        """Start; does not wait."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "app", "serve", str(self.config), "--shard", self.shard]
            command = command if self.core is None else ["taskset", "--cpu-list", str(self.core), *command]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        """Kill, as by kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Stop by SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)

    def state(self) -> dict:
        """What the health page says."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health}/state", timeout=30) as answer:
            return json.loads(answer.read())

    def wait_until_ready(self) -> None:
        """Wait until the weights are loaded."""
        wait_for(lambda: self.state()["is_ready"], "the service", 600)

    def memory(self) -> dict[str, float]:
        """Resident megabytes of each process of the service, by its number."""
        children = subprocess.run(
            ["ps", "-o", "pid=,rss=", "--ppid", str(self.process.pid)], capture_output=True, text=True
        ).stdout
        return {line.split()[0]: int(line.split()[1]) / 1000 for line in children.splitlines()}


def wait_for(is_so, what: str, seconds: float, every: float = 0.5) -> None:
    """Wait until something is true, and look again and again; errors count as not yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if is_so():
                return
        except (OSError, requests.RequestException, ValueError, KeyError):
            pass
        time.sleep(every)
    sys.exit(f"{what} was not there within {seconds:.0f} s")


def phantoms(folder: Path, count: int, size: int = 256) -> list[Path]:
    """Phantoms with a frontal view, as files."""
    subprocess.run(
        [sys.executable, "-m", "app", "phantom", "--out", str(folder), "--count", str(count), "--size", str(size)],
        check=True,
        capture_output=True,
    )
    return sorted((folder / "images").glob("*.dcm"))


def radiograph(path: Path, number: int) -> Dataset:
    """A phantom as another patient's: identifiers of its own, names that can be looked for, one pixel changed."""
    dataset = pydicom.dcmread(path)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, generate_uid(entropy_srcs=[keyword, str(number)]))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientName, dataset.PatientID = f"{NAME}^{number:05d}", f"{PATIENT}{number:05d}"
    dataset.AccessionNumber = f"{ACCESSION}{number:05d}"
    dataset.StudyDate, dataset.StudyTime, dataset.ViewPosition = "20261128", "120000", "PA"
    return dataset


def associate(port: int, datasets: list[Dataset], title: str = "FRUGAL"):
    """An association with exactly the contexts that some objects need."""
    entity = AE("SENDER")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = 120
    pairs = {(str(each.SOPClassUID), str(each.file_meta.TransferSyntaxUID)) for each in datasets}
    return entity.associate(
        "127.0.0.1", port, contexts=[build_context(*pair) for pair in sorted(pairs)], ae_title=title
    )


def send(port: int, datasets: list[Dataset], patience: float = 900, pause: float = 0.0) -> None:
    """Send as a machine does: each object until it is taken, with a pause between two."""
    waiting, deadline = list(datasets), time.monotonic() + patience
    while waiting and time.monotonic() < deadline:
        association = associate(port, waiting[:20])
        while association.is_established and waiting:
            try:
                status = association.send_c_store(waiting[0])
            except (RuntimeError, ValueError):
                break
            if status.get("Status") != 0:
                break
            waiting.pop(0)
            time.sleep(pause)
            if len(waiting) % 20 == 0:
                break
        association.release()
        if waiting and not association.is_established:
            time.sleep(0.5)
    if waiting:
        raise RuntimeError(f"{len(waiting)} objects were not taken within {patience:.0f} s")


def environment() -> None:
    """One thread for each process, as several processes share the machine."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
