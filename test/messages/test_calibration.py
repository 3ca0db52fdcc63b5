"""The file of a calibration becomes the camera that a driver would publish."""

from __future__ import annotations

from pathlib import Path

import pytest

from drnet_ros.errors import CameraError
from drnet_ros.messages.calibration import read_calibration

TEXT = """
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix: {rows: 3, cols: 3, data: [500.0, 0.0, 320.5, 0.0, 510.0, 241.5, 0.0, 0.0, 1.0]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.2, 0.001, 0.002, 0.0]}
rectification_matrix: {rows: 3, cols: 3, data: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]}
projection_matrix: {rows: 3, cols: 4, data: [490.0, 0, 321.0, 0, 0, 495.0, 240.0, 0, 0, 0, 1, 0]}
"""


def test_all_fields_are_read(tmp_path: Path) -> None:
    path = tmp_path / 'camera.yaml'
    path.write_text(TEXT)
    camera = read_calibration(path)
    assert (camera.width, camera.height) == (640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (500.0, 510.0, 320.5, 241.5)
    assert camera.distortion_model == 'plumb_bob'
    assert camera.d[:4] == (0.1, -0.2, 0.001, 0.002)
    assert camera.p[0] == 490.0
    assert camera.p[6] == 240.0


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('image_width: 640', 'it has no image_height; write it with camera_calibration of ROS'),
        ('- 1', 'must be the YAML file of a camera calibration'),
        ('a: [', 'must be the YAML file of a camera calibration'),
        (
            TEXT.replace('500.0, 0.0, 320.5', '0, 0, 0').replace('510.0, 241.5', '0, 0'),
            'principal point',
        ),
    ],
)
def test_what_lacks_something_is_refused_by_name(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / 'camera.yaml'
    path.write_text(text)
    with pytest.raises(CameraError, match=reason):
        read_calibration(path)
    with pytest.raises(CameraError, match='cannot read'):
        read_calibration(tmp_path / 'gone.yaml')
