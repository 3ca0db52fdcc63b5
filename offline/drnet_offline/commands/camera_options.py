"""Options for the camera of images that do not say which one took them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from drnet_offline.errors import OfflineError
from drnet_ros.inference import CameraModel
from drnet_ros.messages.calibration import read_calibration

__all__ = ['Camera', 'Fov', 'camera_for', 'describe_camera', 'parse_intrinsics']

Camera = Annotated[
    str | None,
    typer.Option(
        metavar='FX,FY,CX,CY|FILE',
        help='Intrinsics in pixels of the images, or the YAML file of a calibration.',
    ),
]
Fov = Annotated[
    float | None,
    typer.Option(
        metavar='DEGREES', help='Horizontal field of view, where the intrinsics are not known.'
    ),
]


def camera_for(camera: str | None, fov: float | None) -> Callable[[int, int], CameraModel] | None:
    """Return what gives the camera of images of a height and width; None if nothing is known.

    Args:
        camera: 'fx,fy,cx,cy', or the path of a calibration.
        fov: Horizontal field of view in degrees.

    Raises:
        BadParameter: Both are given, or the angle is impossible.
        CameraError: The calibration is not usable.
        OfflineError: The intrinsics are not four numbers.
    """
    if camera is not None and fov is not None:
        msg = 'give --camera or --fov, not both'
        raise typer.BadParameter(msg, param_hint='--fov')
    if fov is not None:
        if not 1 <= fov <= 170:
            msg = f'must be 1 to 170 degrees, got {fov:g}'
            raise typer.BadParameter(msg, param_hint='--fov')
        return lambda height, width: _with_fov(height, width, fov)
    if camera is None:
        return None
    if _is_calibration(camera):
        calibration = read_calibration(Path(camera))
        return calibration.matching
    fx, fy, cx, cy = parse_intrinsics(camera)
    k = (fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0)
    return lambda height, width: CameraModel.from_fields(width=width, height=height, k=k)


def describe_camera(camera: str | None, fov: float | None) -> str:
    """Return a text that is the same for the same camera, and another one for another.

    Args:
        camera: As `camera_for` takes it.
        fov: As `camera_for` takes it.

    Raises:
        CameraError: The calibration is not usable.
    """
    if fov is not None:
        return f'{fov:g} degrees'
    if camera is not None and _is_calibration(camera):
        return str(read_calibration(Path(camera)))
    return camera or 'unknown'


def parse_intrinsics(text: str) -> tuple[float, float, float, float]:
    """Return fx, fy, cx, cy in pixels from 'fx,fy,cx,cy'.

    Raises:
        OfflineError: The text is not four numbers.
    """
    try:
        fx, fy, cx, cy = (float(word) for word in text.split(','))
    except ValueError as error:
        msg = (
            f"a camera must be four numbers 'fx,fy,cx,cy' in pixels, or a .yaml file, got {text!r}"
        )
        raise OfflineError(msg) from error
    return fx, fy, cx, cy


def _is_calibration(camera: str) -> bool:
    return Path(camera).suffix.lower() in {'.yaml', '.yml'}


def _with_fov(height: int, width: int, fov: float) -> CameraModel:
    focal_px = width / 2 / math.tan(math.radians(fov) / 2)
    return CameraModel(width, height, focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)
