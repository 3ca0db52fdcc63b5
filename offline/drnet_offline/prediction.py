"""Depth for image files: uint16 millimetre PNGs, previews and clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2

from drnet_offline.errors import DatasetError, OfflineError
from drnet_offline.report.ply import write_ply
from drnet_ros.errors import ImageError
from drnet_ros.inference.camera import CameraModel
from drnet_ros.inference.depth import colourise, to_millimetres
from drnet_ros.inference.images.codec import decode_compressed_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from drnet_ros.inference import DepthEstimator

__all__ = ['find_images', 'parse_camera', 'predict_file']

Intrinsics = tuple[float, float, float, float]

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


def parse_camera(text: str) -> tuple[float, float, float, float]:
    """Return fx, fy, cx, cy in pixels from 'fx,fy,cx,cy'.

    Raises:
        OfflineError: The text is not four numbers.
    """
    try:
        fx, fy, cx, cy = (float(word) for word in text.split(','))
    except ValueError as error:
        msg = f"a camera must be four numbers 'fx,fy,cx,cy' in pixels, got {text!r}"
        raise OfflineError(msg) from error
    return fx, fy, cx, cy


def predict_file(
    estimator: DepthEstimator, path: Path, output: Path, camera: Intrinsics | None, *, ply: bool
) -> None:
    """Write OUTPUT/STEM.png (uint16 mm, 0 invalid), OUTPUT/STEM.preview.jpg and perhaps STEM.ply.

    Args:
        estimator: Estimates the depth.
        path: The image.
        output: An existing folder.
        camera: fx, fy, cx, cy of the image in pixels, None if unknown.
        ply: Write the coloured cloud; needs the camera.

    Raises:
        DatasetError: The image cannot be read.
        CameraError: The intrinsics cannot be those of the image.
        OfflineError: A file cannot be written, or would overwrite the image.
    """
    target = output / f'{path.stem}.png'
    if target.resolve() == path.resolve():
        msg = f'depth would overwrite the image {path}: name another output folder'
        raise OfflineError(msg)
    try:
        rgb = decode_compressed_image(path.read_bytes())
    except (OSError, ImageError) as error:
        msg = f'cannot read the image {path}: {error}'
        raise DatasetError(msg) from error
    frame = estimator.estimate(rgb, _camera_of(rgb, camera), points=ply)
    settings = estimator.settings
    _write_image(target, to_millimetres(frame.depth_hw))
    preview = colourise(frame.depth_hw, settings.min_depth, settings.max_depth)
    _write_image(output / f'{path.stem}.preview.jpg', cv2.cvtColor(preview, cv2.COLOR_RGB2BGR))
    if frame.points is not None:
        write_ply(output / f'{path.stem}.ply', frame.points)


def _camera_of(rgb: NDArray[np.uint8], camera: Intrinsics | None) -> CameraModel | None:
    if camera is None:
        return None
    fx, fy, cx, cy = camera
    height, width = rgb.shape[:2]
    k = (fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0)
    return CameraModel.from_fields(width=width, height=height, k=k)


def _write_image(path: Path, image: NDArray[Any]) -> None:
    try:
        is_written = cv2.imwrite(str(path), image)
    except cv2.error:
        is_written = False
    if not is_written:
        msg = f'cannot write {path}: the folder must exist, be writable and have room'
        raise OfflineError(msg)
