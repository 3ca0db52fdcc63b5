"""Saves all that belongs to one image to a folder, for the service."""

from __future__ import annotations

import os
import shutil
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_ros.inference.depth import to_millimetres
from drnet_ros.inference.settings.docs import params_file
from drnet_ros.ply import ply_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from std_msgs.msg import Header

    from drnet_ros.inference import CameraModel, DepthFrame, Frame, Settings

__all__ = ['save_folder', 'save_frame']


def save_folder(settings: Settings) -> Path:
    """Return the folder that frames are saved to: `save_folder`, else one in ROS_HOME.

    Raises:
        RuntimeError: There is no home folder.
    """
    home = os.environ.get('ROS_HOME') or '~/.ros'
    return Path(settings.save_folder or Path(home, 'drnet_frames')).expanduser()


def save_frame(
    prefix: str, result: DepthFrame, frame: Frame, header: Header, settings: Settings
) -> Path:
    """Save image, depth, cloud, camera and parameters.

    Args:
        prefix: Prefix of the camera.
        result: What was computed.
        frame: What it was computed from.
        header: Header of the image.
        settings: The settings that it was computed with.

    Returns:
        The new folder, which appears with all its files in it.

    Raises:
        OSError: It cannot be written.
        RuntimeError: There is no home folder.
    """
    camera_name = prefix.strip('/').replace('/', '_') or 'camera'
    name = f'{camera_name}_{header.stamp.sec}_{header.stamp.nanosec:09d}'
    folder = _unused(save_folder(settings) / name)
    part = folder.with_name(f'.{name}.{os.getpid()}')
    part.mkdir(parents=True)
    try:
        _write(part, camera_name, result, frame, settings)
        about = f'Parameters of the frame with stamp {header.stamp.sec}.{header.stamp.nanosec:09d}'
        text = params_file(settings, f'{about} in {header.frame_id}.')
        (part / 'parameters.yaml').write_text(text)
        part.rename(folder)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return folder


def _unused(folder: Path) -> Path:
    """Return a folder that is not there: images may have no stamp, or be played again."""
    names = chain([folder.name], (f'{folder.name}_{number}' for number in count(2)))
    return next(path for path in map(folder.with_name, names) if not path.exists())


def _write(
    part: Path, camera_name: str, result: DepthFrame, frame: Frame, settings: Settings
) -> None:
    bgr_hwc = np.asarray(cv2.cvtColor(frame.rgb_hwc, cv2.COLOR_RGB2BGR), np.uint8)
    _write_png(part / 'image.png', bgr_hwc)
    _write_png(part / 'depth.png', to_millimetres(result.depth_hw))
    np.save(part / 'depth.npy', result.depth_hw)
    if result.stddev_hw is not None:
        np.save(part / 'stddev.npy', result.stddev_hw)
    if result.points is not None:
        (part / 'points.ply').write_bytes(ply_of(result.points)[0])
    if result.camera is not None:
        is_rectified = settings.image_is_rectified
        camera = result.camera.rectified() if is_rectified else result.camera
        (part / 'camera_info.yaml').write_text(_calibration(camera_name, camera))


def _write_png(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    _, data = cv2.imencode('.png', pixels)
    path.write_bytes(data.tobytes())


def _calibration(name: str, camera: CameraModel) -> str:
    """Return a camera in the format of camera_calibration_parsers."""
    k = (camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0)
    model = 'plumb_bob' if camera.distortion_model == 'none' else camera.distortion_model
    d = camera.d or (0.0,) * 5
    matrices = {
        'camera_matrix': (3, 3, k),
        'distortion_coefficients': (1, len(d), d),
        'rectification_matrix': (3, 3, camera.r),
        'projection_matrix': (3, 4, camera.p),
    }
    lines = [
        f'image_width: {camera.width}',
        f'image_height: {camera.height}',
        f'camera_name: {name}',
        f'distortion_model: {model}',
    ]
    for key, (rows, columns, values) in matrices.items():
        lines += [f'{key}:', f'  rows: {rows}', f'  cols: {columns}', f'  data: {list(values)}']
    return '\n'.join([*lines, ''])
