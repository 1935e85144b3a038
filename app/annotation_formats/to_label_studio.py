"""Label Studio's tasks from images, with boxes, brush strokes and choices, and the configuration that shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from app.annotation_formats.label_studio_brush import encode_brush
from app.annotation_formats.written import WrittenImage
from app.datalist.run_lengths import runs_of

_ANSWERS = {1: "present", 0: "absent", -1: "uncertain"}


def label_studio_files(images: Sequence[WrittenImage], findings: Sequence[str]) -> dict[str, str]:
    """``tasks.json`` for "Import", and ``config.xml`` for "Labeling Interface"; suggestions become predictions.

    Images are named as Label Studio serves local files: ``/data/local-files/?d=PATH``, below the folder that
    ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT`` names.
    """
    tasks = [{"data": {"image": f"/data/local-files/?d={quote(image.name)}"}, **_answers(image)} for image in images]
    return {"tasks.json": f"{json.dumps(tasks)}\n", "config.xml": _config(findings)}


def _answers(image: WrittenImage) -> dict[str, list[dict[str, Any]]]:
    answers: list[dict[str, Any]] = [{"result": list(_results(image))}] if image.is_annotated or image.labels else []
    if image.is_suggestion:
        return {"annotations": [], "predictions": [{"model_version": "suggestion", **each} for each in answers]}
    return {"annotations": answers}


def _results(image: WrittenImage) -> Iterator[dict[str, Any]]:
    height, width = image.size
    about = {"original_width": width, "original_height": height, "image_rotation": 0, "to_name": "image"}
    number = 0
    for box in image.boxes:
        place = {
            "x": 100 * box.x / width,
            "y": 100 * box.y / height,
            "width": 100 * box.width / width,
            "height": 100 * box.height / height,
            "rotation": 0,
        }
        number += 1
        yield {"id": f"box{number}", "type": "rectanglelabels", "from_name": "box", **about} | {
            "value": {**place, "rectanglelabels": [box.finding]}
        }
    for finding, mask in image.masks.items():
        if runs_of(mask):
            number += 1
            yield {"id": f"mask{number}", "type": "brushlabels", "from_name": "brush", **about} | {
                "value": {"format": "rle", "rle": encode_brush(mask), "brushlabels": [finding]}
            }
    for finding, value in image.labels.items():
        number += 1
        answer = {"choices": [_ANSWERS[value]]}
        yield {"id": f"label{number}", "type": "choices", "from_name": finding, "to_name": "image", "value": answer}


def _config(findings: Sequence[str]) -> str:
    labels = "".join(f"    <Label value={quoteattr(finding)}/>\n" for finding in findings)
    answers = "".join(f'    <Choice value="{answer}"/>\n' for answer in _ANSWERS.values())
    questions = "".join(
        f"  <Header value={quoteattr(finding)}/>\n"
        f'  <Choices name={quoteattr(finding)} toName="image" choice="single-radio">\n{answers}  </Choices>\n'
        for finding in findings
    )
    return (
        '<View>\n  <Image name="image" value="$image" zoom="true" brightnessControl="true" contrastControl="true"/>\n'
        f'  <RectangleLabels name="box" toName="image">\n{labels}  </RectangleLabels>\n'
        f'  <BrushLabels name="brush" toName="image">\n{labels}  </BrushLabels>\n{questions}</View>\n'
    )
