"""Read a mask file: of any format that radiographs are read in, turned as they are, and of two values."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_INSTEAD = "a mask holds 0 where the finding is not and one other value where it is: save it so, as grey PNG"


def read_mask(path: str | Path) -> np.ndarray:
    """Read a mask file.

    Args:
        path: a file of any format of `transforms.read_radiograph`.

    Returns:
        (H, W) bool, turned as the radiograph is (EXIF, orientation of volumes): what is not 0. One without a 0 in it is
        drawn everywhere.

    Raises:
        MissingFileError: there is no such file.
        RadiographError: it cannot be read, or it is ambiguous what is drawn: it holds more values than two (as JPEG
            makes of a mask, and as several findings in one file have), or its colours, its palette's numbers and its
            transparency do not agree. The message says what was found.
    """
    from transforms.errors import MissingFileError, RadiographError, shown
    from transforms.read import content_of, naming_file, stored_pixels

    file = Path(path)
    if not file.exists():
        raise MissingFileError(f"{shown(file)}: there is no such mask file")
    with naming_file(file):
        try:
            kind, content = content_of(file)
        except RadiographError as error:
            raise RadiographError(f"not a picture that can be read as a mask: it {error}") from error
        if kind == "picture":
            return _picture_mask(content)
        if kind == "dicom":
            from transforms.dicom import read_dicom

            return _drawn(read_dicom(content)[0])
        return _drawn(stored_pixels(file, kind, content)[0])


def _picture_mask(content: bytes) -> np.ndarray:
    from transforms.errors import RadiographError
    from transforms.pictures import picture_pixels

    pixels, header = picture_pixels(content)
    if header.white_is_zero and pixels.dtype != "uint8":
        pixels = pixels.max() - pixels  # OpenCV does so with 8 bits alone
    drawn = _drawn(pixels)
    for name, layer in () if header.plain_bits else _other_layers(content):
        marked = header.turn.apply(layer)
        if (marked != drawn).any():
            raise RadiographError(
                f"is no clear mask: its colours mark {drawn.sum()} pixels, and its {name} {marked.sum()}; {_INSTEAD}"
            )
    return drawn


def _drawn(pixels: np.ndarray) -> np.ndarray:
    """(H, W) bool: which of (H, W) or (H, W, C) pixels are not 0.

    Raises:
        RadiographError: there are more values than 0 and another, or channels disagree.
    """
    from transforms.errors import RadiographError

    channels = pixels[..., None] if pixels.ndim == 2 else pixels
    drawn: np.ndarray = (channels != 0).any(axis=-1)
    values = channels[drawn]
    others = (values != values.max(axis=0)).any(axis=-1).sum() if len(values) else 0
    if others:
        raise RadiographError(
            f"is no mask: besides the brightest of its {len(values)} pixels that are not 0 it holds {others} of other "
            f"values, as JPEG, smoothing or several findings in one file make them; {_INSTEAD}"
        )
    return drawn


def _other_layers(content: bytes) -> Iterator[tuple[str, Any]]:
    """What else may be meant as the drawing, (H, W) bool as stored: numbers of a palette, and transparency."""
    import numpy as np
    from PIL import Image

    from transforms.errors import RadiographError

    try:
        with Image.open(BytesIO(content)) as picture:
            if picture.mode in ("P", "PA"):
                yield "palette's numbers", np.asarray(picture).reshape(picture.height, picture.width, -1)[..., 0] != 0
            if picture.has_transparency_data:
                opacity = np.asarray(picture.convert("RGBA").getchannel("A"))
                if opacity.min() < opacity.max() or opacity.max() == 0:
                    yield "transparency", opacity > 0
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RadiographError("cannot be decoded: damaged, truncated, or of an unusual kind") from error
