"""Depth for image files: uint16 millimetre PNGs, previews and clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2

from drnet_offline.cloud_file import write_ply
from drnet_offline.errors import DatasetError, OfflineError
from drnet_ros.errors import ImageError
from drnet_ros.inference.depth import colourise, to_millimetres
from drnet_ros.inference.image_codec import decode_compressed_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from drnet_ros.inference import CameraModel, DepthEstimator

__all__ = ['find_images', 'predict_file']

_SUFFIXES = ('.jpg', '.jpeg', '.png')


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Return the images that paths name: files as they are, folders with what lies in them.

    Raises:
        DatasetError: A path is missing, a folder has no image, or two images have the same stem
            and so would write the same file.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in _SUFFIXES)
            if not inside:
                msg = f'the folder {path} holds no {", ".join(_SUFFIXES)} files'
                raise DatasetError(msg)
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            msg = f'there is no image or folder {path}'
            raise DatasetError(msg)
    stems: dict[str, Path] = {}
    for path in found:
        if path.stem in stems:
            msg = f'{stems[path.stem]} and {path} would both write {path.stem}.png: rename one'
            raise DatasetError(msg)
        stems[path.stem] = path
    return found


def predict_file(
    estimator: DepthEstimator, path: Path, output: Path, camera: CameraModel | None, *, ply: bool
) -> None:
    """Write OUTPUT/STEM.png (uint16 mm, 0 invalid), OUTPUT/STEM.preview.jpg and perhaps STEM.ply.

    Args:
        estimator: Estimates the depth.
        path: The image.
        output: An existing folder.
        camera: The image's camera, scaled to its size; None if unknown.
        ply: Write the coloured cloud; needs the camera.

    Raises:
        DatasetError: The image cannot be read.
        OfflineError: A file cannot be written.
    """
    try:
        rgb = decode_compressed_image(path.read_bytes())
    except (OSError, ImageError) as error:
        msg = f'cannot read the image {path}: {error}'
        raise DatasetError(msg) from error
    if camera is not None:
        camera = camera.scaled_to(rgb.shape[0], rgb.shape[1])
    frame = estimator.estimate(rgb, camera, points=ply)
    settings = estimator.settings
    _write_image(output / f'{path.stem}.png', to_millimetres(frame.depth_hw))
    preview = colourise(frame.depth_hw, settings.min_depth, settings.max_depth)
    _write_image(output / f'{path.stem}.preview.jpg', cv2.cvtColor(preview, cv2.COLOR_RGB2BGR))
    if frame.points is not None:
        write_ply(output / f'{path.stem}.ply', frame.points)


def _write_image(path: Path, image: NDArray[Any]) -> None:
    try:
        is_written = cv2.imwrite(str(path), image)
    except cv2.error:
        is_written = False
    if not is_written:
        msg = f'cannot write {path}: the folder must exist, be writable and have room'
        raise OfflineError(msg)
