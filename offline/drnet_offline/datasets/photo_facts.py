"""What the file of a photo says besides its pixels: the lens, and what kind of picture it is."""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import IFD, Base

from drnet_ros.inference import CameraModel

__all__ = ['PhotoFacts', 'read_facts']

# Photos of 200 megapixels are no attack; OpenCV, which decodes them, has its own limit.
Image.MAX_IMAGE_PIXELS = None

_FILM_DIAGONAL_MM = math.hypot(36, 24)
_PLAUSIBLE_MM = 4.0, 2000.0
# Damaged EXIF lets errors of struct, and of its many parts, through the library.
_DAMAGED = (UnidentifiedImageError, OSError, SyntaxError, ValueError, TypeError, KeyError)


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What a file says.

    Attributes:
        focal_35mm: Focal length that gives the same view on 35 mm film (36 mm x 24 mm), in mm, by
            its EXIF; None if it does not say, or nothing that can be.
        pages: How many pictures it holds: pages of a TIFF, frames of an animation.
        is_gray16: Whether it is gray of 16 bits, as depth is.
    """

    focal_35mm: float | None = None
    pages: int = 1
    is_gray16: bool = False

    def camera(self, height: int, width: int) -> CameraModel | None:
        """Return the camera, by the focal length; None if that is not known.

        Args:
            height: Rows of the picture.
            width: Columns of it.
        """
        if self.focal_35mm is None:
            return None
        focal_px = self.focal_35mm * math.hypot(height, width) / _FILM_DIAGONAL_MM
        return CameraModel(width, height, focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)


def read_facts(data: bytes) -> PhotoFacts:
    """Return what an image file says.

    Args:
        data: The file; what cannot be read of it is taken as not said.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # Pillow's, of damaged EXIF
            image = Image.open(io.BytesIO(data))
            # A JPEG of several pictures has previews of itself (MPO).
            pages = 1 if image.format in {'JPEG', 'MPO'} else getattr(image, 'n_frames', 1)
            is_gray16 = image.mode.startswith('I')
            return PhotoFacts(_focal_35mm(image), pages, is_gray16)
    except _DAMAGED:
        return PhotoFacts()


def _focal_35mm(image: Image.Image) -> float | None:
    try:
        value = float(image.getexif().get_ifd(IFD.Exif).get(Base.FocalLengthIn35mmFilm, 0))
    except _DAMAGED:
        return None
    return value if _PLAUSIBLE_MM[0] <= value <= _PLAUSIBLE_MM[1] else None
