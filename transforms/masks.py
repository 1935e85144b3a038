"""Reading of mask files, in every format and orientation that radiographs are read in."""

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
        path: A file in any format of `transforms.read_radiograph`.

    Returns:
        (H, W) bool, true where the file is not 0, oriented like the radiograph (EXIF, orientation of volumes).

    Raises:
        MissingFileError: There is no such file.
        RadiographError: It cannot be read, or it is ambiguous: it has more than two values (as JPEG compression or
            several findings in one file produce), or its colours, palette indices and transparency disagree. The
            message says what was found.

    Example:
        >>> import cv2, tempfile, numpy
        >>> path = tempfile.mkdtemp() + "/mask.png"
        >>> cv2.imwrite(path, numpy.array([[0, 255]], numpy.uint8))
        True
        >>> read_mask(path)
        array([[False,  True]])
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
            return picture_mask(content)
        if kind == "dicom":
            from transforms.dicom import read_dicom

            return _drawn(read_dicom(content)[0])
        return _drawn(stored_pixels(file, kind, content)[0])


def picture_mask(content: bytes) -> np.ndarray:
    """The mask (H, W) in the bytes of a picture; errors are those of `read_mask`, without the path."""
    from transforms.errors import RadiographError
    from transforms.pictures import picture_pixels

    pixels, header = picture_pixels(content)
    if header.white_is_zero and pixels.dtype != "uint8":
        pixels = pixels.max() - pixels  # OpenCV does this for 8 bits only
    drawn = _drawn(pixels)
    for name, layer in () if header.plain_bits else _other_layers(content):
        marked = header.turn.apply(layer)
        if (marked != drawn).any():
            raise RadiographError(
                f"is no clear mask: its colours mark {drawn.sum()} pixels, and its {name} {marked.sum()}; {_INSTEAD}"
            )
    return drawn


def _drawn(pixels: np.ndarray) -> np.ndarray:
    """Which of (H, W) or (H, W, C) pixels are not 0; (H, W) bool.

    Raises:
        RadiographError: There are values other than 0 and one more, or channels disagree.
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
    """Other layers that may be meant as the mask, (H, W) bool as stored: palette indices and transparency."""
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
