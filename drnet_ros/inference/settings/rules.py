"""Rules that concern more than one parameter, or one as a whole."""

from __future__ import annotations

from drnet_ros.errors import SettingsError
from drnet_ros.inference.limits import MAX_ASPECT_RATIO
from drnet_ros.inference.settings.fields import Size
from drnet_ros.inference.settings.output_fields import OutputFields
from drnet_ros.inference.sparse_depth.sources.extrinsics import parse_extrinsics
from drnet_ros.network.config import MAX_INPUT_PIXELS

__all__ = ['check_together']

_MIN_INPUT_SIDE = 32
_LEAST_VOXEL_M = 0.005


def check_together(settings: OutputFields) -> None:
    """Check the settings against each other.

    Args:
        settings: Settings whose values are each within their own limits.

    Raises:
        SettingsError: If a rule does not hold.
    """
    _check_ranges(settings)
    if not settings.weights.strip():
        msg = "weights must be 'embedded' or the path of a .safetensors file, got ''"
        raise SettingsError(msg)
    _check_sizes(settings)
    _check_cameras(settings)
    parse_extrinsics(settings.sparse_depth_extrinsics)
    if settings.engine == 'tensorrt' and settings.device == 'cpu':
        msg = (
            "engine 'tensorrt' runs on device 'cuda', 'cuda:N' or 'auto', got 'cpu'; use engine "
            "'onnxruntime' for the CPU"
        )
        raise SettingsError(msg)
    if settings.engine in {'openvino', 'onnxruntime'} and settings.device.startswith('cuda'):
        msg = (
            f"engine {settings.engine!r} runs on device 'cpu' or 'auto', got {settings.device!r}; "
            f"use engine 'torch' for CUDA"
        )
        raise SettingsError(msg)


def _check_sizes(settings: OutputFields) -> None:
    for name, least in (('input_size', _MIN_INPUT_SIDE), ('output_size', 1)):
        size: Size = getattr(settings, name)
        if size != (0, 0) and min(size) < least:
            msg = (
                f'{name} must be [height, width] with both sides at least {least} px, or [0, 0] '
                f'for the default, got {list(size)}'
            )
            raise SettingsError(msg)
    if settings.input_size[0] * settings.input_size[1] > MAX_INPUT_PIXELS:
        msg = (
            f'input_size must have at most {MAX_INPUT_PIXELS / 1e6:.1f} megapixels, got '
            f'{list(settings.input_size)}; the image is resized to it, and depth seldom gets '
            'better beyond the training size, which [0, 0] stands for'
        )
        raise SettingsError(msg)
    if max(settings.input_size) > MAX_ASPECT_RATIO * min(settings.input_size):
        msg = (
            f'input_size must have sides of at most {MAX_ASPECT_RATIO}:1, got '
            f'{list(settings.input_size)}; only its area counts, so name one nearer to the shape '
            f'of your images'
        )
        raise SettingsError(msg)


def _check_cameras(settings: OutputFields) -> None:
    if settings.rectify and settings.image_is_rectified:
        msg = (
            'rectify must be false where image_is_rectified is true, got both; set rectify for '
            'raw images, image_is_rectified for those of an image_rect topic'
        )
        raise SettingsError(msg)
    if len(set(settings.cameras)) != len(settings.cameras):
        msg = f'cameras must all differ, got {list(settings.cameras)}'
        raise SettingsError(msg)
    if settings.mask != ('',) and len(settings.mask) != len(settings.cameras):
        msg = (
            f"mask must have one file, or '', for each of the {len(settings.cameras)} cameras, "
            f'got {list(settings.mask)}'
        )
        raise SettingsError(msg)


def _check_ranges(settings: OutputFields) -> None:
    if settings.min_depth >= settings.max_depth:
        msg = (
            f'min_depth must be less than max_depth, got min_depth {settings.min_depth} m and '
            f'max_depth {settings.max_depth} m'
        )
        raise SettingsError(msg)
    if settings.scan_min_height >= settings.scan_max_height:
        msg = (
            f'scan_min_height must be less than scan_max_height, got {settings.scan_min_height} m '
            f'and {settings.scan_max_height} m'
        )
        raise SettingsError(msg)
    if 0 < settings.point_voxel < _LEAST_VOXEL_M:
        msg = (
            f'point_voxel must be at least {_LEAST_VOXEL_M} m, or 0 for none, got '
            f'{settings.point_voxel} m'
        )
        raise SettingsError(msg)
