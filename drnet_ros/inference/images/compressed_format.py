"""The `format` of a sensor_msgs/CompressedImage: what was compressed, and how it lies in the file.

Written by compressed_image_transport as '<encoding>; <codec> compressed <stored>', such as
'rgb8; jpeg compressed bgr8', and by compressed_depth_image_transport as '<encoding>;
compressedDepth <codec>'. Many drivers write the codec alone, such as 'jpeg'.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ['CompressedFormat', 'read_format']

_DEPTH_WORD = 'compressedDepth'
_DEPTH_ENCODINGS = frozenset({'16UC1', '32FC1'})
_RGB_FAMILY = frozenset(
    f'{order}{bits}' for order in ('rgb', 'bgr', 'rgba', 'bgra') for bits in (8, 16)
)


@dataclass(frozen=True, slots=True)
class CompressedFormat:
    """What a `format` says.

    Attributes:
        encoding: Encoding of the image before compression, such as 'bayer_rggb8'; '' if not said.
        codec: Codec in lower case, such as 'jpeg' or 'rvl'; '' if not said.
        stored: Encoding that the image had when the codec got it, such as 'bgr8'; '' if not said.
        is_compressed_depth: Whether it is of compressed_depth_image_transport, whose data start
            with a header.
    """

    encoding: str = ''
    codec: str = ''
    stored: str = ''
    is_compressed_depth: bool = False

    @property
    def is_depth(self) -> bool:
        """Whether the samples are depth and no picture; mono16 may be either and is a picture."""
        return self.is_compressed_depth or self.encoding in _DEPTH_ENCODINGS

    @property
    def is_bayer(self) -> bool:
        """Whether the file holds a Bayer mosaic, and not the gray image that was made of one."""
        return self.encoding.startswith('bayer_') and self.stored in {'', self.encoding}

    @property
    def is_rgb(self) -> bool:
        """Whether red comes first where a file decoded by OpenCV has blue.

        As in compressed_image_transport: of a color image that is so unless 'bgr' is said.
        """
        if self.stored:
            return self.stored.startswith('rgb')
        return self.encoding in _RGB_FAMILY


def read_format(text: str) -> CompressedFormat:
    """Read the `format` of a CompressedImage.

    Args:
        text: The field; nothing in it is refused, and what it does not say is ''.

    Returns:
        What it says.
    """
    before, semicolon, after = text.partition(';')
    encoding, words = (before.strip(), after.split()) if semicolon else ('', before.split())
    if _DEPTH_WORD in words:
        words.remove(_DEPTH_WORD)
        return CompressedFormat(encoding, ''.join(words[:1]).lower(), is_compressed_depth=True)
    if 'compressed' in words:
        at = words.index('compressed')
        return CompressedFormat(encoding, ''.join(words[:at]).lower(), ''.join(words[at + 1 :]))
    return CompressedFormat(encoding, ''.join(words[:1]).lower())
