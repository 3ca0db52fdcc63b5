"""Depth for image files: uint16 millimetre PNGs, previews and clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_offline.datasets.image_files import Photo, read_photo
from drnet_offline.errors import DatasetError, OfflineError
from drnet_offline.outputs.files import write_image
from drnet_offline.report.ply import write_ply
from drnet_ros.errors import CameraError, ImageError
from drnet_ros.inference.camera import CameraModel
from drnet_ros.inference.depth import colourise, to_millimetres
from drnet_ros.inference.limits import MAX_PIXELS, check_shape

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
            inside = sorted(
                p
                for p in path.iterdir()
                if p.suffix.lower() in _SUFFIXES and not p.name.startswith('.')
            )
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
) -> str:
    """Write OUTPUT/STEM.png (uint16 mm, 0 invalid), OUTPUT/STEM.preview.jpg and perhaps STEM.ply.

    Args:
        estimator: Estimates the depth.
        path: The image. It is turned upright if its EXIF orientation says so, and depth with it.
        output: An existing folder.
        camera: fx, fy, cx, cy of the upright image in pixels, None if unknown.
        ply: Write the coloured cloud; needs the camera.

    Returns:
        What a person must know of the depth, '' if it is of the image's size.

    Raises:
        DatasetError: The image cannot be read, is of a shape that the network can make nothing of
            or cannot have these intrinsics, or depth would overwrite it.
        OfflineError: A file cannot be written.
    """
    target = output / f'{path.stem}.png'
    if target.resolve() == path.resolve():
        msg = f'depth would overwrite the image {path}: name another output folder'
        raise DatasetError(msg)
    photo = read_photo(path)
    height, width = photo.rgb_hwc.shape[:2]
    try:
        check_shape(height, width)
        frame = estimator.estimate(photo.rgb_hwc, _camera_of(photo, camera), points=ply)
    except (CameraError, ImageError) as error:
        msg = f'{path}: {error}'
        raise DatasetError(msg) from error
    settings = estimator.settings
    write_image(target, to_millimetres(frame.depth_hw))
    preview = colourise(frame.depth_hw, settings.min_depth, settings.max_depth)
    write_image(output / f'{path.stem}.preview.jpg', preview)
    if frame.points is not None:
        write_ply(output / f'{path.stem}.ply', frame.points)
    if photo.reduction == 1:
        return ''
    return (
        f'{path} has more than {MAX_PIXELS / 1e6:.1f} million pixels: it was reduced to {width} x '
        f'{height}, and its depth has that size'
    )


def _camera_of(photo: Photo, camera: Intrinsics | None) -> CameraModel | None:
    if camera is None:
        return None
    height, width = photo.rgb_hwc.shape[:2]
    fx, fy = (focal / photo.reduction for focal in camera[:2])
    # Pixel 0 is centred on 0: its edge is at -0.5.
    cx, cy = ((centre + 0.5) / photo.reduction - 0.5 for centre in camera[2:])
    k = (fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0)
    return CameraModel.from_fields(width=width, height=height, k=k)
