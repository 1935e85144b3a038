"""COCO files of two radiographs, w/1.png and w/2.png, for tests."""

import json
from pathlib import Path

SIZE = (20, 30)
"""Height and width of both."""


def coco(*annotations: dict, images: list[dict] | None = None) -> dict:
    known = [{"id": n, "file_name": f"w/{n}.png", "height": SIZE[0], "width": SIZE[1]} for n in (1, 2)]
    return {
        "images": known if images is None else images,
        "categories": [{"id": 1, "name": "nodule"}, {"id": 2, "name": "ribbon"}],
        "annotations": [{"image_id": 1, "category_id": 1} | annotation for annotation in annotations],
    }


def write_coco(folder: Path, content: object) -> Path:
    path = folder / "coco.json"
    path.write_text(json.dumps(content))
    return path
