"""The service through kills and a full disk: each good image has one set of results, each bad one is in quarantine.

    python -m benchmarks.service [--images 1000] [--senders 4] [--kills 10] [--archive-kills 3] [--shards 1]

Radiographs are sent by several senders while the service (kill -9), Orthanc (kill -9) and a small disk (filled) fail.
Then all results are looked up in Orthanc by QIDO-RS and some fetched by WADO-RS, all images are sent once more, and
everything that the service wrote is searched for what identifies a patient. Needs Orthanc, and root to mount a small
disk (without, the disk is not filled).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from pydicom.dataset import Dataset

from benchmarks.service_world import (
    ACCESSION,
    NAME,
    PATIENT,
    Orthanc,
    Service,
    environment,
    phantoms,
    radiograph,
    require_orthanc,
    send,
    wait_for,
)

DISK = 60
"""Megabytes of the small disk."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between two images of a sender")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--shards", type=int, default=1, help="services that share the spool")
    parser.add_argument("--archive-kills", type=int, default=3)
    parser.add_argument(
        "--patience", type=float, default=0.7, help="share of kills after which readiness is waited for"
    )
    parser.add_argument("--work", type=Path, help="folder for everything; a temporary one unless given")
    arguments = parser.parse_args()
    require_orthanc()
    environment()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="service-"))
    disk = work / "disk"
    disk.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", str(disk)]
    is_small = subprocess.run(mount, capture_output=True).returncode == 0
    try:
        return run(arguments, work, disk, is_small)
    finally:
        if is_small:
            subprocess.run(["umount", "--lazy", str(disk)])
        if arguments.work is None:
            shutil.rmtree(work, ignore_errors=True)


def run(arguments: argparse.Namespace, work: Path, disk: Path, is_small: bool) -> int:
    files = phantoms(work / "phantoms", 20)
    images = [radiograph(files[number % len(files)], number) for number in range(arguments.images)]
    kinds = [spoil(each, number) for number, each in enumerate(images)]
    print(f"{len(images)} radiographs of 256 x 256 pixels made of {len(files)} phantoms: {dict(Counter(kinds))}")
    orthanc = Orthanc(work / "orthanc")
    settings = {"spool": str(disk / "spool"), "send": {"stow": {"url": f"{orthanc.url}/dicom-web"}}}
    count = arguments.shards
    services = [Service(work / str(number), settings, (), f"{number}/{count}") for number in range(1, count + 1)]
    port = services[0].port
    try:
        for service in services:
            service.wait_until_ready()
        sent = threading.Event()
        chaos = threading.Thread(
            target=fail, args=(services, orthanc, disk if is_small else None, arguments, sent), daemon=True
        )
        start = time.monotonic()
        chaos.start()
        shares = [images[number :: arguments.senders] for number in range(arguments.senders)]
        senders = [threading.Thread(target=send, args=(port, share, 3000, arguments.pause)) for share in shares]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        print(f"all sent after {time.monotonic() - start:.0f} s")
        sent.set()
        chaos.join()
        wait_until_done(services, len(images))
        print(f"all done after {time.monotonic() - start:.0f} s")
        problems = check(orthanc, services, images, kinds)
        before = results(orthanc, images)
        send(port, [each for each, kind in zip(images, kinds, strict=True) if kind == "good"][:100])
        wait_until_done(services, len(images))
        if results(orthanc, images) != before:
            problems.append("images that were sent twice have other results")
        print(f"{min(100, kinds.count('good'))} good images sent once more: the same results")
        for service in services:
            record(service)
        problems += leaks(services, images)
        print(f"stopped by SIGTERM with exit codes {[service.stop() for service in services]}")
    finally:
        for service in services:
            service.process.kill()
        orthanc.kill()
    print("\n".join(problems) or "no problem found")
    return int(bool(problems))


def spoil(image: Dataset, number: int) -> str:
    """Make one in ten images bad or not for us, in several ways; gives its kind."""
    if number % 30 == 7:
        image.PixelData = image.PixelData[: len(image.PixelData) // 4 * 2]
        return "bad"
    if number % 30 == 17:
        del image.Rows
        return "bad"
    if number % 30 == 27:
        image.ViewPosition = "LL"
        return "not for us"
    return "good"


def fail(
    services: list[Service],
    orthanc: Orthanc,
    disk: Path | None,
    arguments: argparse.Namespace,
    sent: threading.Event,
) -> None:
    """Kill the services and Orthanc at random moments, and fill the disk once."""
    generator = random.Random(1)
    events = ["service"] * arguments.kills + ["orthanc"] * arguments.archive_kills + ["disk"] * (disk is not None)
    generator.shuffle(events)
    for event in events:
        time.sleep(generator.uniform(2, 15))
        if event == "service":
            service = generator.choice(services) if len(services) > 1 else services[0]
            service.kill()
            service.start()
            if generator.random() < arguments.patience:  # else it is killed again before it is ready
                service.wait_until_ready()
        elif event == "orthanc":
            orthanc.kill()
            time.sleep(generator.uniform(1, 10))
            orthanc.start()
        else:
            fill(disk)
        print(f"  {event} failed{' while all was sent already' if sent.is_set() else ''}", flush=True)
    for service in services:
        service.wait_until_ready()


def fill(disk: Path | None) -> None:
    assert disk is not None
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(65536)):
                pass
        except OSError:
            pass
        time.sleep(15)
    ballast.unlink()


def wait_until_done(services: list[Service], count: int) -> None:
    def is_done() -> bool:
        counts = counted(services)
        ended = counts["sent"] + counts["left out"] + counts["quarantined"] + counts["refused"]
        waiting = [state["images"] + state["results"] for state in (service.state() for service in services)]
        return ended == count and not any(waiting)

    wait_for(is_done, "the last result", 3000)


def counted(services: list[Service]) -> Counter[str]:
    """Images by outcome, of all shards together."""
    return sum((Counter(service.state()["counts"]) for service in services), Counter())


def results(orthanc: Orthanc, images: list[Dataset]) -> dict[str, list[str]]:
    """By study the identifiers of all objects in Orthanc."""
    return {
        each.StudyInstanceUID: sorted(
            value["00080018"]["Value"][0]
            for value in orthanc.dicomweb(f"/studies/{each.StudyInstanceUID}/instances?limit=100")
        )
        for each in images
    }


def check(orthanc: Orthanc, services: list[Service], images: list[Dataset], kinds: list[str]) -> list[str]:
    """What is wrong with what Orthanc and the service hold."""
    problems, modalities = [], Counter()
    for image, kind in zip(images, kinds, strict=True):
        instances = orthanc.dicomweb(f"/studies/{image.StudyInstanceUID}/instances?limit=100")
        counts = Counter(each["00080060"]["Value"][0] for each in instances)
        modalities.update(counts)
        # One report of findings, one of regions if anything is located, and one capture.
        is_one_set = counts["SR"] in (1, 2) and counts["OT"] == 1 and set(counts) == {"SR", "OT"}
        if (kind == "good") != is_one_set or (kind != "good" and instances):
            problems.append(f"a {kind} image has {dict(counts)}")
    counts, expected = counted(services), Counter(kinds)
    if (counts["quarantined"], counts["left out"]) != (expected["bad"], expected["not for us"]):
        problems.append(f"the tables say {dict(counts)}, but the images are {dict(expected)}")
    reasons = len(list((services[0].spool / "quarantine").glob("*.txt")))
    if reasons != expected["bad"]:
        problems.append(f"{reasons} images are in quarantine, not {expected['bad']}")
    good = next(each for each, kind in zip(images, kinds, strict=True) if kind == "good")
    report = orthanc.dicomweb(f"/studies/{good.StudyInstanceUID}/metadata")[0]
    print(f"in Orthanc by QIDO-RS: {dict(modalities)}; by WADO-RS of patient {report['00100020']['Value'][0]}")
    for service in services:
        state = service.state()
        print(f"shard {service.shard} says: {state['counts']}, {state['reasons']['quarantined']}")
    return problems


def record(service: Service) -> None:
    """Write the day's run in MLflow now."""
    code = (
        "import datetime; from pathlib import Path; from app.service.daily import record; "
        "from app.service.settings import read_settings; from app.service.spool import Shard, Spool; "
        f"shard = Shard({service.shard.replace('/', ', ')}); "
        "from app.service.service import table_path; from app.service.table import Table; "
        f"s = read_settings(Path({str(service.config)!r})); "
        "record(s, Table(table_path(Spool(s.spool), shard)), shard, datetime.date.today())"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=os.environ)


def leaks(services: list[Service], images: list[Dataset]) -> list[str]:
    """Files, other than DICOM files, and names of files in which something identifies a patient."""
    words = [NAME, PATIENT, ACCESSION, *(each.StudyInstanceUID for each in images[:50])]
    words += [each.SOPInstanceUID for each in images[:50]]
    found, looked = [], 0
    places = [services[0].spool]
    for each in services:
        places += [each.log, each.folder / "mlflow.db", each.folder / "mlartifacts"]
    for place in places:
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            content = path.read_bytes() if path.is_file() and path.suffix != ".dcm" else b""
            looked += bool(content)
            found += [f"{path}: {word}" for word in words if word in str(path) or word.encode() in content]
    print(f"searched {looked} files that are no DICOM for names and identifiers: {len(found)} found")
    return found


if __name__ == "__main__":
    sys.exit(main())
