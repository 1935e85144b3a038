"""What a service does with hostile senders and files: it lives, its memory stays flat, and what is good is scored.

python -m benchmarks.service_hostile [--damaged 300] [--large 1000] [--work DIR]
"""

from __future__ import annotations

import argparse
import random
import shutil
import socket
import sys
import tempfile
import time
from copy import deepcopy
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification

from benchmarks.service_world import Service, associate, environment, phantoms, radiograph, send, wait_for

CONTROLS = "\x00\x01\x1b$B\x07\x1f\r\n<script>'\"&\\"

OPEN: list[socket.socket] = []
"""Connections that say nothing and stay open."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.service_hostile", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--damaged", type=int, default=300, help="files with random damage")
    parser.add_argument("--large", type=int, default=1000, help="megabytes of one object")
    parser.add_argument("--work", type=Path, help="folder for everything; a temporary one unless given")
    arguments = parser.parse_args()
    environment()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="hostile-"))
    inbox = work / "inbox"
    inbox.mkdir(parents=True)
    further = [{"folder": {"path": str(inbox), "every": 1}}]
    service = Service(work, {"send": {"folder": {"path": str(work / "out")}}}, further)
    try:
        service.wait_until_ready()
        return run(service, inbox, arguments, phantoms(work / "phantoms", 4))
    finally:
        service.process.kill()
        if arguments.work is None:
            shutil.rmtree(work, ignore_errors=True)


def run(service: Service, inbox: Path, arguments: argparse.Namespace, files: list[Path]) -> int:
    good = [radiograph(files[number % 4], number) for number in range(8)]
    send(service.port, good[:4])
    expect(service, {"sent": 4})
    print(f"megabytes of the processes after 4 good images: {shown(service)}")
    print(f"wrong called title: {'rejected' if associate(service.port, good, 'OTHER').is_rejected else 'LET IN'}")
    print(f"half-sent associations: {half_sent(service.port)} connections left open or cut")
    print(f"an object of {arguments.large} MB: {large(service.port, good[0], arguments.large)}")
    print(f"megabytes afterwards: {shown(service)}")
    odd = controls(radiograph(files[0], 100))
    send(service.port, [odd])
    wait_for(lambda: ended(service) >= 5, "the image with control characters", 600)
    print(f"control characters in every attribute of text: {service.state()['counts']}")
    for number, content in enumerate(damaged(files, arguments.damaged)):
        (inbox / f"{number:04d}.dcm").write_bytes(content)
    wait_for(lambda: ended(service) >= 5 + arguments.damaged, "the damaged files", 3000)
    print(f"{arguments.damaged} damaged files: {service.state()['counts']}")
    send(service.port, good[4:])
    counts = service.state()["counts"]
    wait_for(lambda: ended(service) >= 9 + arguments.damaged, "the good images after that", 600)
    print(f"4 good images after all that: {service.state()['counts']['sent'] - counts['sent']} sent")
    print(f"megabytes at the end: {shown(service)}")
    echo = AE("SENDER").associate("127.0.0.1", service.port, [build_context(Verification)], ae_title="FRUGAL")
    print(f"C-ECHO at the end: 0x{echo.send_c_echo().Status:04X}")
    echo.release()
    print(f"stopped by SIGTERM with exit code {service.stop()}")
    return 0


def shown(service: Service) -> str:
    return ", ".join(f"{value:.0f}" for value in service.memory().values() if value > 20)


def ended(service: Service) -> int:
    counts = service.state()["counts"]
    return counts["sent"] + counts["left out"] + counts["quarantined"] + counts["refused"]


def expect(service: Service, counts: dict[str, int]) -> None:
    wait_for(lambda: {each: service.state()["counts"][each] for each in counts} == counts, str(counts), 900)


def half_sent(port: int) -> int:
    """Connections that send a part of an association and stop: some are cut, some stay open until the end."""
    huge = b"\x01\x00\xff\xff\xff\xff" + bytes(50)
    parts = [b"", b"\x01", b"\x01\x00\x00\x00\x00\xff", huge, b"GET / HTTP/1.1\r\n\r\n"]
    for part in parts * 4:
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(part)
        connection.close()
    OPEN.extend(socket.create_connection(("127.0.0.1", port)) for _ in range(3))
    return 4 * len(parts) + len(OPEN)


def large(port: int, image: Dataset, megabytes: int) -> str:
    image = deepcopy(image)
    image.PixelData = bytes(megabytes * 1_000_000)
    association = associate(port, [image])
    start = time.monotonic()
    try:
        status = association.send_c_store(image)
        answer = f"status 0x{status.Status:04X}" if "Status" in status else "the connection was closed"
    except (RuntimeError, ValueError) as error:
        answer = f"the connection was closed ({error})"
    association.abort()
    return f"{answer} after {time.monotonic() - start:.0f} s"


def controls(image: Dataset) -> Dataset:
    """Control characters in every attribute of text, past all checks."""
    from pydicom import config

    config.settings.writing_validation_mode = config.IGNORE
    config.settings.reading_validation_mode = config.IGNORE
    for element in image:
        if element.VR in ("LO", "SH", "PN", "ST", "LT", "CS", "UT") and element.keyword not in (
            "PhotometricInterpretation",
            "SpecificCharacterSet",
            "ViewPosition",
            "BodyPartExamined",
            "VOILUTFunction",
            "RescaleType",
            "PresentationLUTShape",
            "PixelIntensityRelationship",
        ):
            element.value = CONTROLS
    return image


def damaged(files: list[Path], count: int) -> list[bytes]:
    """Files that are cut, with changed bytes, or with a piece of another file in them."""
    generator, result = random.Random(1), []
    contents = [path.read_bytes() for path in files]
    for number in range(count):
        content = bytearray(generator.choice(contents))
        kind = number % 4
        if kind == 0:
            del content[generator.randrange(len(content)) :]
        elif kind == 1:
            for _ in range(20):
                content[generator.randrange(min(2000, len(content)))] = generator.randrange(256)
        elif kind == 2:
            start = generator.randrange(132, 2000)
            del content[start : start + generator.randrange(1, 50)]
        else:
            start = generator.randrange(132, 1500)
            content[start:start] = generator.randbytes(generator.randrange(1, 100))
        result.append(bytes(content) + number.to_bytes(4, "little"))
    return result


if __name__ == "__main__":
    sys.exit(main())
