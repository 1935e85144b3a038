"""COCO JSON from images: boxes, and masks as uncompressed run lengths."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from app.annotation_formats.written import WrittenImage
from app.datalist.run_lengths import decode, extent, runs_of


def coco_files(images: Sequence[WrittenImage], findings: Sequence[str]) -> dict[str, str]:
    """``annotations.json``; an empty mask is not written, as COCO has none."""
    number = {finding: index for index, finding in enumerate(findings, start=1)}
    annotations = [
        {"image_id": index, "category_id": number[finding], **shape}
        for index, image in enumerate(images, start=1)
        for finding, shape in _shapes(image)
    ]
    content = {
        "images": [
            {"id": index, "file_name": image.name, "height": image.size[0], "width": image.size[1]}
            for index, image in enumerate(images, start=1)
        ],
        "categories": [{"id": number[finding], "name": finding} for finding in findings],
        "annotations": [{"id": index, **each} for index, each in enumerate(annotations, start=1)],
    }
    return {"annotations.json": f"{json.dumps(content)}\n"}


def _shapes(image: WrittenImage) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each box and each mask that is not empty, with its finding."""
    for box in image.boxes:
        corners = [box.x, box.y, box.width, box.height]
        yield box.finding, {"bbox": corners, "area": box.width * box.height, "iscrowd": 0}
    for finding, mask in image.masks.items():
        if runs_of(mask):
            rows, columns = extent(decode(mask))
            corners = [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start]
            outline = {"size": list(mask.size), "counts": list(mask.counts)}
            # COCO marks run lengths as crowds, and polygons as single objects.
            yield finding, {"bbox": corners, "area": sum(mask.counts[1::2]), "segmentation": outline, "iscrowd": 1}
