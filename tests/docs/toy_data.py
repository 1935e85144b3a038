"""What the reader of a page has before the first command, made small."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from app.datalist.file import moved, read_datalist, write_datalist
from app.datalist.item import Box, Datalist
from app.findings import NOT_SAID
from app.phantoms import write_phantoms
from app.phantoms.plan import Plan
from app.phantoms.render import render
from tests.docs.pages import ROOT

PATIENTS = 24
SIDE = 64
SCALE = 1024 // SIDE
"""Boxes of ChestX-ray14 are in pixels of 1,024 x 1,024."""


def chestxray14(folder: Path) -> None:
    """ChestX-ray14's images with its tables and RSNA's: every other image is a pneumonia, every fourth has a box."""
    images, tables = folder / "nih" / "images", folder / "nih" / "tables"
    images.mkdir(parents=True)
    tables.mkdir()
    generator = np.random.default_rng(0)
    chest = 150 * render(Plan(0, 1, 1, 1, "test", "PA", "F", 50, frozenset(), False), SIDE).image
    entries, boxes, readings, names = [], [], [], []
    for number in range(PATIENTS):
        name, is_sick, view = f"{number:08}_000.png", number % 2 == 1, ("PA", "AP")[number // 2 % 2]
        x, y = (int(value) for value in generator.integers(15, 45, 2))
        image = (chest + generator.normal(20, 5, chest.shape)).clip(0, 255).astype(np.uint8)
        if is_sick:
            cv2.circle(image, (x, y), 7, 170, -1)
        cv2.imwrite(str(images / name), image)
        finding = "Pneumonia" if is_sick else "No Finding"
        entries.append([name, finding, 0, number, 40 + number, "FM"[number % 3 == 0], view, SIDE, SIDE, 0.14, 0.14])
        place = [(x - 7) * SCALE, (y - 7) * SCALE, 14 * SCALE, 14 * SCALE]
        is_boxed = number % 4 == 1
        if is_boxed:
            boxes.append([name, finding, *place, "", "", ""])
        readings.append([f"r{number}", *(place if is_boxed else [""] * 4), int(is_boxed)])
        names.append([f"r{number}", name, "Lung Opacity" if is_boxed else "Normal"])
    columns = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    _write(
        tables / "Data_Entry_2017_v2020.csv",
        columns + "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]",
        entries,
    )
    _write(tables / "BBox_List_2017.csv", "Image Index,Finding Label,Bbox [x,y,w,h],,,", boxes)
    _write(tables / "stage_2_train_labels.csv", "patientId,x,y,width,height,Target", readings)
    _write(tables / "rsna_to_nih.csv", "patientId,nih_image,class_info", names)


def ward(folder: Path) -> None:
    """A hospital's folder: DICOM files named by accession number, a table with semicolons, boxes from Label Studio."""
    findings = ("Nodule", "Effusion")
    made = write_phantoms(folder / "made", 18, 0, SIDE, findings, prevalence=0.5, workers=1, progress=False)
    (folder / "ward" / "images").mkdir(parents=True)
    rows, tasks = [], []
    for number, item in enumerate(read_datalist(made).items()):
        name = f"44{number:05}"
        (made.parent / item.image).rename(folder / "ward" / "images" / f"{name}.dcm")
        words = ["yes" if label else "no" for label in item.label]
        rows.append([f"10944{item.patient[-3:]}", "2021-03-02", f"{name}.dcm", "A nodule, or none.", *words])
        tasks.append(_label_studio(name, [box for box in item.boxes if box.finding == "Nodule"]))
    with (folder / "ward" / "findings.csv").open("w", newline="") as file:
        table = csv.writer(file, delimiter=";")
        table.writerows([["PatientID", "StudyDate", "Image", "Report", *findings], *rows])
    (folder / "ward" / "boxes.json").write_text(json.dumps(tasks))
    radiographs(folder)


def hospital(folder: Path) -> None:
    """The example's pilot, outlined radiographs, and unread ones of other patients."""
    example(folder)
    path = write_phantoms(folder / "data", 40, 0, SIDE, ("Nodule",), prevalence=0.5, workers=1, progress=False)
    made = read_datalist(path)
    path.rename(path.with_name("outlined.json"))
    pool = write_phantoms(folder / "data" / "pool", 12, 1, SIDE, ("Nodule",), workers=1, progress=False)
    unread = [
        replace(item, patient=f"pool-{item.patient}", label=(NOT_SAID,), boxes=(), mask={}, annotated=())
        for item in moved(read_datalist(pool), pool, path).items()
    ]
    write_datalist(Datalist.unsplit("unread", made.findings, unread), path.with_name("unread.json"))


def labelled(folder: Path) -> None:
    """Radiographs with labels, half of them with a finding."""
    path = write_phantoms(folder / "data", 40, 0, SIDE, ("Nodule",), prevalence=0.5, workers=1, progress=False)
    path.rename(path.with_name("wards.json"))


def readme(folder: Path) -> None:
    """The pilot of an example, and images of ChestX-ray14."""
    example(folder)
    chestxray14(folder)


def example(folder: Path) -> None:
    """The example in ``docs``, whose commands are to be run from a checkout."""
    shutil.copytree(ROOT / "docs" / "plan", folder / "docs" / "plan")


def radiographs(folder: Path) -> None:
    """A folder ``incoming`` of four DICOM radiographs."""
    write_phantoms(folder / "scans", 4, 0, SIDE, ("Nodule",), workers=1, progress=False)
    (folder / "scans" / "images").rename(folder / "incoming")


def _label_studio(name: str, boxes: list[Box]) -> dict[str, object]:
    """A task as Label Studio exports it: its upload's name has a hash before it, and numbers are per cent."""
    results = [
        {
            "type": "rectanglelabels",
            "original_width": SIDE,
            "original_height": SIDE,
            "value": {
                **{key: 100 * getattr(box, key) / SIDE for key in ("x", "y", "width", "height")},
                "rotation": 0,
                "rectanglelabels": [box.finding],
            },
        }
        for box in boxes
    ]
    annotation = {"id": 1, "was_cancelled": False, "result": results}
    return {"id": 1, "data": {"image": f"/data/upload/1/0a1b2c3d-{name}.png"}, "annotations": [annotation]}


def nothing(folder: Path) -> None:
    """An empty folder."""


DATA: dict[str, Callable[[Path], None]] = {
    "README.md": readme,
    "docs/audit.md": labelled,
    "docs/planning.md": hospital,
    "docs/tutorials/public-data.md": chestxray14,
    "docs/tutorials/own-data.md": ward,
    "docs/tutorials/deploying.md": radiographs,
}
"""By page; every other page starts from an empty folder."""


def _write(path: Path, header: str, rows: list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        file.write(f"{header}\n")
        csv.writer(file, lineterminator="\n").writerows(rows)
