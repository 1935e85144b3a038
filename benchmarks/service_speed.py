"""How fast the service is: one image from arrival to stored results, images a second, and receiving beside storescp.

    python -m benchmarks.service_speed [--images 40] [--size 2048] [--write docs/speed.md]

Results go to a folder, so that no archive's time is measured. Decoding, preparing and the network alone are the same
code without the service. Receiving is measured in CPU time of the receiver, against dcmtk's storescp on the same
images.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Row, options, publish, table
from benchmarks.service_world import Service, associate, environment, free_port, phantoms, radiograph, send, wait_for


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--size", type=int, default=2048, help="rows and columns")
    arguments = parser.parse_args()
    environment()
    work = Path(tempfile.mkdtemp(prefix="speed-"))
    try:
        files = phantoms(work / "phantoms", 4, arguments.size)
        images = [radiograph(files[number % 4], number) for number in range(arguments.images)]
        rows = [*latency(work, images), *receiving(work, images)]
    finally:
        shutil.rmtree(work, ignore_errors=True)
    publish("service", "The service", __doc__, table(rows), arguments.write)


def latency(work: Path, images: list) -> list[Row]:
    service = Service(work, {"send": {"folder": {"path": str(work / "out")}}, "results": ["sr", "sc"]})
    try:
        service.wait_until_ready()
        send(service.port, images[:2])  # loads what is loaded on first use
        wait_for(lambda: service.state()["counts"]["sent"] == 2, "the first results", 300)
        for number, image in enumerate(images[2:], start=3):
            send(service.port, [image])
            wait_for(lambda n=number: service.state()["counts"]["sent"] == n, "the next result", 300)
        seconds = service.state()["latency"]
        start = time.monotonic()
        many = [again(image, number) for number, image in enumerate(images)]
        send(service.port, many)
        wait_for(lambda: service.state()["counts"]["sent"] == 2 * len(images), "all results", 1800)
        rate = len(images) / (time.monotonic() - start)
    finally:
        service.stop()
    alone = seconds_alone(work, images)
    return [
        Row("arrival to stored results, median", f"{seconds['0.5']:.2f} s", "", ""),
        Row("arrival to stored results, 99th percentile", f"{seconds['0.99']:.2f} s", "", ""),
        Row(
            "images a second, one scorer",
            f"{rate:.2f}",
            f"decoding, preparing and network alone {1 / alone:.2f}",
            f"{rate * alone:.2f}x",
        ),
    ]


def again(image, number: int):
    """The image as another one's."""
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"2.25.7{number}"
    return image


def seconds_alone(work: Path, images: list) -> float:
    """Seconds an image of reading, preparing and the network, in a process of its own that does nothing else."""
    folder = work / "alone"
    folder.mkdir()
    for number, image in enumerate(images):
        image.save_as(folder / f"{number:03d}.dcm")
    code = (
        "import sys, time; from pathlib import Path; from app.dicom.kinds import Kind; "
        "from app.service.model import ResidentModel; "
        "m = ResidentModel('nodule_detection', {}, [Kind.REPORT], Path(sys.argv[1]) / 'model'); "
        "files = sorted(Path(sys.argv[2]).glob('*.dcm')); m.score(files[0]); t = time.monotonic(); "
        "[m.score(f) for f in files[1:]]; print('seconds', (time.monotonic() - t) / (len(files) - 1)); m.close()"
    )
    run = [sys.executable, "-c", code, str(work), str(folder)]
    output = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    return float(next(line for line in output.splitlines() if line.startswith("seconds")).split()[1])


def receiving(work: Path, images: list) -> list[Row]:
    """CPU time of the receiver for each image."""
    ours = cpu_of(receiver(work), images, "FRUGAL")
    if shutil.which("storescp") is None:
        return [Row("receiving, CPU an image", f"{1000 * ours:.0f} ms", "storescp is not installed", "")]
    port, folder = free_port(), work / "storescp"
    folder.mkdir()
    peer = cpu_of((["storescp", "+xa", "+B", "-od", str(folder), str(port)], port), images, "STORESCP")
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
