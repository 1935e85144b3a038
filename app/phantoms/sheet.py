"""A contact sheet of phantoms with outlines: ``python -m app.phantoms.sheet docs/phantoms.png``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.files.atomic import write_whole
from app.findings import TUBES
from app.phantoms.findings import FINDINGS
from app.phantoms.plan import Plan, Settings, plans
from app.phantoms.render import render

_SIZE, _SHOWN, _COLUMNS = 512, 264, 5
_COLOUR = (60, 220, 255)
_BEDSIDE = ("Endotracheal Tube", "Chest Drain", "Nasogastric Tube", "Tracheostomy Tube")


def contact_sheet(seed: int) -> NDArray[np.uint8]:
    """Normal chests in both views, then each finding and each tube with its outline; (H, W, 3), BGR."""
    settings = Settings(seed, _SIZE, (*FINDINGS, *TUBES), 0.2, ("PA", "AP"), (0.7, 0.1, 0.2))
    planned = iter(plans(settings, 400))
    wanted = [("", "PA"), ("", "PA"), ("", "AP"), ("", "AP"), ("Nodule", "PA")]
    wanted += [(name, "PA") for name in FINDINGS if name != "Nodule"] + [("Nodule", "AP")]
    wanted += [(name, "AP") for name in _BEDSIDE] + [("Pneumothorax", "AP")]
    tiles = [_tile(next(plan for plan in planned if plan.view == view), name) for name, view in wanted]
    rows = [np.hstack(tiles[start : start + _COLUMNS]) for start in range(0, len(tiles), _COLUMNS)]
    return np.vstack(rows)


def _tile(plan: Plan, name: str) -> NDArray[np.uint8]:
    shown = frozenset({name} if name else ()) | (frozenset({"Chest Drain"}) if name == "Pneumothorax" else frozenset())
    shown = shown if plan.view == "AP" or not name else frozenset({name})
    radiograph = render(replace(plan, findings=shown), _SIZE)
    grey = cv2.resize(radiograph.image, (_SHOWN, _SHOWN), interpolation=cv2.INTER_AREA)
    tile = cv2.cvtColor((np.round(grey * 63) * 4).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    for outline in radiograph.outlines.values():
        contours, _ = cv2.findContours(outline.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        scaled = [np.round((line + 0.5) * 16 * _SHOWN / _SIZE - 8).astype(np.int32) for line in contours]
        cv2.polylines(tile, scaled, True, _COLOUR, 1, cv2.LINE_AA, 4)
    words = f"{' + '.join(sorted(shown, reverse=True)) or 'Normal'}, {plan.view}"
    cv2.putText(tile, words, (8, _SHOWN - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _COLOUR, 1, cv2.LINE_AA)
    return np.asarray(tile, np.uint8)


if __name__ == "__main__":
    done, encoded = cv2.imencode(".png", contact_sheet(11), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if not done:
        raise OSError("OpenCV could not encode the contact sheet.")
    write_whole(Path(sys.argv[1]), encoded.tobytes())
