"""Write a folder of phantoms: DICOM files, outlines and the datalist that names them."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import SECTIONS, Box, Datalist, Item
from app.datalist.splitting import require_shares
from app.files.atomic import write_png, write_whole
from app.files.own_json import read_record
from app.findings import LUNGS, TUBES, require_known
from app.interrupts import without_interrupts
from app.phantoms.findings import FINDINGS
from app.phantoms.plan import Plan, Settings, default_prevalence, plans
from app.phantoms.render import render

ALL = (*FINDINGS, *TUBES)
"""Everything that phantoms can show: the ten findings of the annotation-cost paper, and four tubes."""
VIEWS = ("PA", "AP")
SMALLEST, LARGEST = 64, 4096
"""Allowed numbers of pixels along each side."""
MOST_IN_STUDY = 10

_SETTINGS = "phantom.json"
_KEPT = 1 << 25
"""Bytes that a process keeps."""
_DRAWINGS = 3
"""Rises whenever the same settings no longer give the same bytes."""


def write_phantoms(
    out: Path,
    count: int,
    seed: int,
    size: int = 512,
    findings: Sequence[str] = ALL,
    prevalence: float | None = None,
    split: tuple[float, float, float] = (0.7, 0.1, 0.2),
    views: Sequence[str] = VIEWS,
    images_per_study: int = 1,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Make phantoms, or complete an interrupted folder.

    Every file follows from seed, size, findings, prevalence, views and split alone: not from the number of workers,
    nor from ``count``, so that a larger count adds to a folder. The datalist is written last.

    Args:
        out: folder to write ``images``, ``masks`` and ``datalist.json`` to.
        count: how many images.
        seed: 0 or more.
        size: pixels along each side, 64 to 4096.
        findings: Findings to draw and label, in the order of the labels. Tubes are drawn in some images even if
            they are not labelled, because patients have them anyway. ``Lungs`` outlines the lungs.
        prevalence: share of images with each finding; by default 0.45 for one finding, 0.35 for two, 0.2 for more.
        split: shares of training, validation and test; patients never cross.
        views: PA, AP or both (then 40 % are AP).
        images_per_study: how many images each study has; all show the same findings, each drawn anew.
        workers: processes; by default one per processor.
        progress: whether to show a progress bar.

    Returns:
        Path of the datalist.

    Raises:
        ValueError: An argument is out of range, or the folder holds phantoms of other settings.
        OSError: the folder cannot be written to.
    """
    settings = _checked(count, seed, size, findings, prevalence, split, views)
    if not 1 <= images_per_study <= MOST_IN_STUDY:
        raise ValueError(f"images_per_study is {images_per_study}; allowed are 1 to {MOST_IN_STUDY}.")
    settings = replace(settings, images_per_study=images_per_study)
    path = out / "datalist.json"
    _claim(out, settings)
    if _is_complete(path, count):
        return path
    planned = plans(settings, count)
    by_section: dict[str, list[Item]] = {section: [] for section in SECTIONS}
    bar = tqdm(_made(out, settings, planned, workers), "phantoms", count, unit="image", disable=not progress)
    for plan, item in zip(planned, bar, strict=True):
        by_section[plan.section].append(item)
    write_datalist(_datalist(settings, count, by_section), path)
    return path


def _checked(
    count: int,
    seed: int,
    size: int,
    findings: Sequence[str],
    prevalence: float | None,
    split: tuple[float, float, float],
    views: Sequence[str],
) -> Settings:
    if count < 1:
        raise ValueError(f"count is {count}; at least 1 phantom can be made.")
    if seed < 0:
        raise ValueError(f"seed is {seed}; allowed are 0 and above.")
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size is {size}; allowed are {SMALLEST} to {LARGEST} pixels along each side.")
    if not findings or len(set(findings)) != len(findings):
        raise ValueError(f"findings are {list(findings)}; name one or more of {', '.join(ALL)}, each once.")
    require_known(findings, (*ALL, LUNGS), "findings")
    if prevalence is not None and not 0 < prevalence < 1:
        raise ValueError(f"prevalence is {prevalence}; allowed is more than 0 and less than 1.")
    require_shares(split)
    if not views or not set(views) <= set(VIEWS):
        raise ValueError(f"views are {list(views)}; allowed are {' and '.join(VIEWS)}.")
    chosen = default_prevalence(findings) if prevalence is None else prevalence
    ordered = tuple(view for view in VIEWS if view in views)
    return Settings(seed, size, tuple(findings), chosen, ordered, (split[0], split[1], split[2]))


def _claim(out: Path, settings: Settings) -> None:
    """Create the folder and record its settings in it, or refuse to mix phantoms of two settings."""
    mine = json.loads(json.dumps({"drawings": _DRAWINGS, **settings.described()}))
    note = out / _SETTINGS
    if note.exists():
        remedy = f"Remove {out}, or name another folder."
        theirs = read_record(note, "the settings of phantoms", remedy)
        if theirs != mine:
            differ = [
                f"{key} {theirs.get(key)} there, {value} asked"
                for key, value in mine.items()
                if theirs.get(key) != value
            ]
            raise ValueError(f"{out} holds phantoms of other settings ({'; '.join(differ)}). Name another folder.")
        return
    if (out / "datalist.json").exists():
        raise ValueError(f"{out} holds a datalist that is not of phantoms. Name another folder.")
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "masks").mkdir(exist_ok=True)
    write_whole(note, json.dumps(mine, indent=1) + "\n")


def _is_complete(path: Path, count: int) -> bool:
    if not path.exists():
        return False
    datalist = read_datalist(path)
    items = [item for section in datalist.sections.values() for item in section]
    files = [item.image for item in items] + [str(mask) for item in items for mask in item.mask.values()]
    return len(items) == count and all((path.parent / file).exists() for file in files)


def _made(out: Path, settings: Settings, planned: Sequence[Plan], workers: int | None) -> Iterator[Item]:
    task = partial(_make, out, settings)
    processes = min(workers or os.cpu_count() or 1, len(planned))
    if processes == 1:
        yield from map(task, planned)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_begin) as pool:
        try:
            with without_interrupts():  # the processes start here
                made = pool.map(task, planned, chunksize=4)
            yield from made
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """One thread a process: the processes are the parallelism."""
    cv2.setNumThreads(1)
    _keep_memory()


def _keep_memory() -> None:
    """Let the C library keep freed maps, which it would give back and have zeroed again: a fifth of all the time."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(-1, _KEPT)  # M_TRIM_THRESHOLD
        mallopt(-3, _KEPT)  # M_MMAP_THRESHOLD


def _make(out: Path, settings: Settings, plan: Plan) -> Item:
    from app.phantoms.dicom import draw_form, encode  # not above: made phantoms are opened without pydicom

    radiograph = render(plan, settings.size)
    image = f"images/{plan.number:06d}.dcm"
    shown = {name: outline for name, outline in radiograph.outlines.items() if name in settings.findings}
    masks = {
        name: f"masks/{plan.number:06d}_{name.lower().replace(' ', '_')}.png"
        for name in settings.findings
        if name in shown
    }
    for name, file in masks.items():
        write_png(out / file, shown[name].astype(np.uint8) * 255)
    write_whole(out / image, encode(radiograph, plan, draw_form(plan.stream("form"))))
    return Item(
        image=image,
        patient=f"{plan.patient:04d}",
        study=f"{plan.patient:04d}-{plan.study}",
        view=plan.view,
        label=tuple(int(name in shown) for name in settings.findings),
        boxes=tuple(box for name in masks for box in _boxes(name, shown[name])),
        mask=masks,
        annotated=settings.findings,
        source="phantom",
        attributes=_attributes(plan, radiograph.spacing),
    )


def _attributes(plan: Plan, spacing: float) -> dict[str, str | int | float | bool]:
    tubes = [name for name in TUBES if name in plan.findings]
    return {
        "sex": plan.sex,
        "age": plan.age,
        "drain": "Chest Drain" in plan.findings,
        "tube": bool(set(tubes) - {"Chest Drain"}),
        "electrodes": plan.electrodes,
        "spacing": round(spacing, 4),
    }


def _boxes(name: str, outline: NDArray[np.bool_]) -> list[Box]:
    """One tight box a connected part, the largest first; specks under a hundredth of the largest get none."""
    pixels = outline.view(np.uint8)
    left, top, width, height = cv2.boundingRect(pixels)
    left, top = left // 2 * 2, top // 2 * 2  # OpenCV numbers the parts by squares of 2 x 2 pixels
    drawn = pixels[top : top + height + 1, left : left + width + 1]
    _, _, parts, _ = cv2.connectedComponentsWithStats(drawn, connectivity=8)
    rows = sorted(parts[1:].tolist(), key=lambda part: -part[4])
    return [
        Box(name, float(left + x), float(top + y), float(width), float(height))
        for x, y, width, height, area in rows
        if area * 100 >= rows[0][4]
    ]


def _datalist(settings: Settings, count: int, sections: dict[str, list[Item]]) -> Datalist:
    provenance: dict[str, object] = {
        "made_by": "frugal phantom",
        "count": count,
        "drawings": _DRAWINGS,
        **settings.described(),
    }
    return Datalist(
        name=f"phantoms-{settings.seed}",
        findings=settings.findings,
        sections=sections,
        description=(
            "Made radiographs: projections through simple solids. They serve machinery and orderings; claims about "
            "people need real data."
        ),
        provenance=provenance,
    )
