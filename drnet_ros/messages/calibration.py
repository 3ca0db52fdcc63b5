"""The file of a camera's calibration, as camera_calibration and camera_info_manager write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from drnet_ros.errors import CameraError, one_line
from drnet_ros.inference.camera import CameraModel

__all__ = ['read_calibration']

_MUST_BE = 'must be the YAML file of a camera calibration'
_WRITE_IT = 'write it with camera_calibration of ROS: OpenCV, Kalibr and others have other names'


def read_calibration(path: Path) -> CameraModel:
    """Read a calibration file.

    Args:
        path: A YAML file with image_width, image_height, camera_matrix, distortion_model,
            distortion_coefficients and, if it has them, rectification_matrix and
            projection_matrix.

    Returns:
        The camera at the size of its calibration.

    Raises:
        CameraError: The file cannot be read, or lacks something.
    """
    try:
        fields: Any = YAML(typ='safe', pure=True).load(path.read_text(encoding='utf-8'))
        return CameraModel.from_fields(
            width=fields['image_width'],
            height=fields['image_height'],
            k=fields['camera_matrix']['data'],
            d=fields['distortion_coefficients']['data'],
            distortion_model=fields['distortion_model'],
            r=fields.get('rectification_matrix', {}).get('data', ()),
            p=fields.get('projection_matrix', {}).get('data', ()),
        )
    except OSError as error:
        msg = f'cannot read {path}: {error.strerror}'
        raise CameraError(msg) from error
    except KeyError as error:
        msg = f'{path} {_MUST_BE}: it has no {error.args[0]}; {_WRITE_IT}'
        raise CameraError(msg) from error
    except (AttributeError, TypeError, ValueError, YAMLError) as error:
        msg = f'{path} {_MUST_BE}, got {one_line(error)}; {_WRITE_IT}'
        raise CameraError(msg) from error
