"""How fast the service is: from arrival to stored results, images a second of one core and of several, and receiving.

    python -m benchmarks.service_speed [--images 100] [--queued 40] [--turns 2] [--size 2048] [--write docs/speed.md]

Results (reports and captures) go to a folder, so that no archive's time is measured. Latency is of images that come one
after the other. Rates are of images that are sent as fast as they are taken, from sending the first to storing the last
result; a service and all its processes, its sender not, may use one core for each of its shards. Decoding and network
alone are the same code on one core without anything else: no pictures, no objects, no queue, no disk. They take turns,
and the best turn of each counts. Receiving is the receiver's processor time, against dcmtk's storescp on the same
images; ours syncs them to the disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import Row, options, publish, table
from benchmarks.service_world import Service, associate, environment, free_port, phantoms, radiograph, send, wait_for

SPARE = 20
"""Images for warming up, as each shard loads what it needs when its first image comes."""


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--images", type=int, default=100, help="of which latency is measured")
    parser.add_argument("--queued", type=int, default=40, help="images of which rates are measured")
    parser.add_argument("--turns", type=int, default=2, help="of each rate")
    parser.add_argument("--size", type=int, default=2048, help="rows and columns")
    arguments = parser.parse_args()
    environment()
    work = Path(tempfile.mkdtemp(prefix="speed-"))
    try:
        files = phantoms(work / "phantoms", 4, arguments.size)
        made = [radiograph(files[number % 4], number) for number in range(arguments.images + SPARE)]
        images, spare = made[:-SPARE], made[-SPARE:]
        rows = [*latency(work, images, spare), *rates(work, images[: arguments.queued], spare, arguments.turns)]
        rows += receiving(work, images[: arguments.queued])
    finally:
        shutil.rmtree(work, ignore_errors=True)
    publish("service", "The service", __doc__, table(rows), arguments.write)


def latency(work: Path, images: list, spare: list) -> list[Row]:
    """From arrival to stored results, of images that come one after the other."""
    started = shards(work / "latency", 1)
    try:
        before = warm_up(started, spare)
        for number, image in enumerate(images, start=before + 1):
            send(started[0].port, [image])
            wait_for(lambda n=number: sent(started) == n, "the next result", 300, every=0.05)
        seconds = started[0].state()["latency"]
    finally:
        stop(started)
    return [
        Row(f"arrival to stored results, median of {len(images)} images", f"{seconds['0.5']:.2f} s", "", ""),
        Row("the same, 99th percentile", f"{seconds['0.99']:.2f} s", "", ""),
    ]


def rates(work: Path, images: list, spare: list, turns: int) -> list[Row]:
    """Images a second of one core, of a shard on each core, and of decoding and the network alone."""
    cores = sorted(os.sched_getaffinity(0))
    save(images, work / "files")
    alone, one, several = [], [], []
    for turn in range(turns):
        alone.append(rate_alone(work, cores[0]))
        one.append(rate(work / f"one-{turn}", images, spare, cores[:1]))
        if len(cores) > 1:
            several.append(rate(work / f"several-{turn}", images, spare, cores))
    (best, busy), (best_alone, busy_alone) = (
        (max(a for a, _ in each), min(b for _, b in each)) for each in (one, alone)
    )
    rows = [
        Row(
            "processor time an image, all processes",
            f"{1000 * busy:.0f} ms",
            f"decoding and network alone {1000 * busy_alone:.0f} ms",
            f"{busy / busy_alone:.2f}x",
        ),
        Row(
            "images a second, one core",
            f"{best:.2f}",
            f"decoding and network alone {best_alone:.2f}",
            f"{best / best_alone:.2f}x",
        ),
    ]
    if several:
        many = max(a for a, _ in several)
        what = f"images a second, {len(cores)} shards, a core each"
        rows.append(Row(what, f"{many:.2f}", f"one core {best:.2f}", f"{many / best:.2f}x"))
    return rows


def rate(work: Path, images: list, spare: list, cores: Sequence[int]) -> tuple[float, float]:
    """Images a second of a service with a shard on each core, and its processor seconds an image."""
    started = shards(work, len(cores), cores)
    try:
        count = warm_up(started, spare) + len(images)
        start, before = time.monotonic(), busy_seconds(started)
        send(started[0].port, images)
        wait_for(lambda: sent(started) == count, "all results", 1800, every=0.2)
        return len(images) / (time.monotonic() - start), (busy_seconds(started) - before) / len(images)
    finally:
        stop(started)


def busy_seconds(started: Sequence[Service]) -> float:
    """Processor time of all processes of a service."""
    numbers = [service.process.pid for service in started]
    for number in numbers:  # grows while it is gone through: children, and children of children
        numbers += map(int, Path(f"/proc/{number}/task/{number}/children").read_text().split())
    return sum(map(cpu_seconds, numbers))


def shards(work: Path, count: int, cores: Sequence[int] = ()) -> list[Service]:
    """A service in shards, each restricted to its core if cores are given."""
    settings = {"send": {"folder": {"path": str(work / "out")}}, "results": ["sr", "sc"], "spool": str(work / "spool")}
    return [
        Service(work / str(number), settings, (), f"{number + 1}/{count}", cores[number] if cores else None)
        for number in range(count)
    ]


def warm_up(started: Sequence[Service], spare: list) -> int:
    """Send images until each shard has had one; gives how many."""
    for service in started:
        service.wait_until_ready()
    for number, image in enumerate(spare, start=1):
        send(started[0].port, [image])
        wait_for(lambda n=number: sent(started) == n, "the first results", 300)
        if all(sent([service]) for service in started):
            return number
    sys.exit(f"{len(spare)} examinations were not enough for {len(started)} shards")


def sent(started: Sequence[Service]) -> int:
    """Of how many images the results are stored."""
    return sum(service.state()["counts"]["sent"] for service in started)


def stop(started: Sequence[Service]) -> None:
    """End all shards."""
    for service in started:
        service.stop()


def save(images: list, folder: Path) -> None:
    """Write images as files."""
    folder.mkdir()
    for number, image in enumerate(images):
        image.save_as(folder / f"{number:03d}.dcm")


def rate_alone(work: Path, core: int) -> tuple[float, float]:
    """As `rate`, of decoding, preparing and the network alone, in batches of one as the service has."""
    code = (
        "import os, sys, time, torch; from pathlib import Path; from app.dicom.kinds import Kind; "
        "from app.service.model import ResidentModel; from benchmarks.service_speed import cpu_seconds; "
        "m = ResidentModel('nodule_detection', {}, [Kind.REPORT], Path(sys.argv[1]) / 'model'); "
        "files = sorted((Path(sys.argv[1]) / 'files').glob('*.dcm')); "
        "score = lambda f: m._inference.evaluator.predict(torch.from_numpy(m._prepared(f)[0].data)[None, None]); "
        "busy = lambda: cpu_seconds(os.getpid()) + cpu_seconds(m._worker.process.pid); "
        "score(files[0]); t = time.monotonic(); b = busy(); [score(f) for f in files]; "
        "print('rate', len(files) / (time.monotonic() - t), (busy() - b) / len(files)); m.close()"
    )
    run = ["taskset", "--cpu-list", str(core), sys.executable, "-c", code, str(work)]
    output = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    _, images, busy = next(line for line in output.splitlines() if line.startswith("rate")).split()
    return float(images), float(busy)


def receiving(work: Path, images: list) -> list[Row]:
    """CPU time of the receiver for each image."""
    ours = cpu_of(receiver(work), images, "FRUGAL")
    dcmtk = shutil.which("dcmsend")  # its storescp is beside it; pynetdicom has a command of that name, too
    if dcmtk is None:
        return [Row("receiving, CPU an image", f"{1000 * ours:.0f} ms", "dcmtk is not installed", "")]
    port, folder = free_port(), work / "storescp"
    folder.mkdir()
    command = [str(Path(dcmtk).with_name("storescp")), "+xa", "+B", "-od", str(folder), str(port)]
    peer = cpu_of((command, port), images, "STORESCP")
    megabytes = len(images[0].PixelData) / 1e6
    return [
        Row(
            f"receiving, CPU an image of {megabytes:.0f} MB",
            f"{1000 * ours:.0f} ms",
            f"dcmtk's storescp {1000 * peer:.0f} ms",
            f"{ours / peer:.1f}x",
        )
    ]


def receiver(work: Path) -> tuple[list[str], int]:
    port = free_port()
    code = (
        "import sys, time; from pathlib import Path; from app.service import receiving; "
        "from app.service.settings import DicomReceiver; from app.service.spool import Spool; "
        "receiving.start(DicomReceiver(port=int(sys.argv[2]), peers='any'), Spool(Path(sys.argv[1]))); time.sleep(3600)"
    )
    return [sys.executable, "-c", code, str(work / "received"), str(port)], port


def cpu_of(started: tuple[list[str], int], images: list, title: str) -> float:
    """CPU seconds of a receiver for each image, over those of one that receives nothing."""
    command, port = started
    process = subprocess.Popen(command)
    try:
        wait_for(lambda: associate(port, images[:1], title).is_established, "the receiver", 60)
        before = cpu_seconds(process.pid)
        association = associate(port, images, title)
        for image in images:
            assert association.send_c_store(image).Status == 0
        association.release()
        return (cpu_seconds(process.pid) - before) / len(images)
    finally:
        process.kill()
        process.wait()


def cpu_seconds(number: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
