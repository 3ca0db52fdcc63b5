"""What the EXIF of a photo says of its lens."""

from __future__ import annotations

import io
import warnings

from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import IFD, Base

__all__ = ['read_focal_35mm']

_PLAUSIBLE_MM = 4.0, 2000.0


def read_focal_35mm(data: bytes) -> float | None:
    """Return the focal length that gives the same view on 35 mm film (36 mm x 24 mm).

    Args:
        data: An image file.

    Returns:
        Millimetres; None if the file does not say, or nothing that can be.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # Pillow's, of damaged EXIF
            image = Image.open(io.BytesIO(data))
            value = float(image.getexif().get_ifd(IFD.Exif).get(Base.FocalLengthIn35mmFilm, 0))
    # Damaged EXIF lets errors of struct, and of its many parts, through the library.
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, TypeError, KeyError):
        return None
    return value if _PLAUSIBLE_MM[0] <= value <= _PLAUSIBLE_MM[1] else None
