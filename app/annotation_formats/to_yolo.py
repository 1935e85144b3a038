"""YOLO's text files from images: boxes, and boxes around the regions of masks."""

from __future__ import annotations

import json
from collections.abc import Sequence

from app.annotation_formats.written import WrittenImage
from app.datalist.run_lengths import boxes_of, decode
from app.datalist.stored_images import stem


def yolo_files(images: Sequence[WrittenImage], findings: Sequence[str]) -> dict[str, str]:
    """``labels/NAME.txt`` for each image that anybody annotated, and ``data.yaml``.

    Raises:
        ValueError: Two images have one name but for their suffixes.
    """
    number = {finding: index for index, finding in enumerate(findings)}
    names = "".join(f"  {index}: {json.dumps(finding)}\n" for finding, index in number.items())
    files = {"data.yaml": f"path: .\ntrain: images\nval: images\nnames:\n{names}"}
    for image in images:
        if not image.is_annotated:
            continue
        name = f"labels/{stem(image.name)}.txt"
        if name in files:
            raise ValueError(f"{image.name}: another image has this name but for its suffix, and YOLO knows no suffix.")
        boxes = [
            *image.boxes,
            *(box for finding, mask in image.masks.items() for box in boxes_of(decode(mask), finding)),
        ]
        height, width = image.size
        files[name] = "".join(
            f"{number[box.finding]} {(box.x + box.width / 2) / width:.8f} {(box.y + box.height / 2) / height:.8f} "
            f"{box.width / width:.8f} {box.height / height:.8f}\n"
            for box in boxes
        )
    return files
