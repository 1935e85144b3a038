"""COCO JSON from images: boxes, and masks as uncompressed run lengths."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from app.annotation_formats.written import WrittenImage
from app.datalist.run_lengths import decode, runs_of


def coco_files(images: Sequence[WrittenImage], findings: Sequence[str]) -> dict[str, str]:
    """``annotations.json``; an empty mask is not written, as COCO has none."""
    number = {finding: index for index, finding in enumerate(findings, start=1)}
    annotations: list[dict[str, Any]] = []
    for index, image in enumerate(images, start=1):
        about = [
            {
                "category_id": number[box.finding],
                "bbox": [box.x, box.y, box.width, box.height],
                "area": box.width * box.height,
            }
            for box in image.boxes
        ]
        for finding, mask in image.masks.items():
            if runs_of(mask):
                rows, columns = (np.flatnonzero(decode(mask).any(axis=axis)).tolist() for axis in (1, 0))
                extent = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
                outline = {"size": list(mask.size), "counts": list(mask.counts)}
                area = sum(mask.counts[1::2])
                about.append(
                    {
                        "category_id": number[finding],
                        "bbox": extent,
                        "area": area,
                        "segmentation": outline,
                        "iscrowd": 1,
                    }
                )
        annotations += [{"image_id": index, "iscrowd": 0} | each for each in about]
    content = {
        "images": [
            {"id": index, "file_name": image.name, "height": image.size[0], "width": image.size[1]}
            for index, image in enumerate(images, start=1)
        ],
        "categories": [{"id": number[finding], "name": finding} for finding in findings],
        "annotations": [{"id": index} | each for index, each in enumerate(annotations, start=1)],
    }
    return {"annotations.json": f"{json.dumps(content)}\n"}
