"""Augmentation that keeps geometry true: what is done to the image is done to the depth."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_offline.errors import DatasetError

if TYPE_CHECKING:
    from cv2.typing import MatLike
    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthSample

__all__ = ['Augmentation', 'augment', 'paste_region', 'resize_sample', 'resized_focal_px']


_MAX_SQUEEZE = 1.1


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far each change goes.

    Attributes:
        border_px: Rows and columns cut off on every side first (NYU images have a white border).
        keep_border: Share of images whose border is left on, since a recording may have it too.
        flip: Mirror half of the images.
        max_zoom: Zoom by 1..max_zoom into a random window and divide depth by the zoom: to a
            camera of the same focal length that is how a nearer scene looks.
        max_rotation_deg: Rotate by up to this; corners that come from outside have no depth.
        max_tilt_deg: Turn the camera up or down and to a side by up to this each; depth becomes
            that along the new optical axis, and what the image does not show has none.
        brightness: Gain is 1 +- this.
        contrast: 1 +- this.
        saturation: 1 +- this.
        colour_cast: Gain of each channel is 1 +- this.
        max_gamma: Gamma is within 1 / max_gamma .. max_gamma.
        cutmix: Share of images into which a rectangle of another image is pasted with its depth.
    """

    border_px: int = 8
    keep_border: float = 0.0
    flip: bool = True
    max_zoom: float = 1.4
    max_rotation_deg: float = 4.0
    max_tilt_deg: float = 0.0
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.3
    colour_cast: float = 0.08
    max_gamma: float = 1.25
    cutmix: float = 0.0


def resized_focal_px(
    focal_px: float, image_hw: tuple[int, int], size_hw: tuple[int, int]
) -> float:
    """Return the focal length after a resize, the geometric mean where x and y scale apart."""
    return focal_px * math.sqrt(size_hw[0] * size_hw[1] / (image_hw[0] * image_hw[1]))


def _cut_border(sample: DepthSample, border: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    if border == 0:
        return sample.rgb_hwc, sample.depth_hw
    if min(sample.depth_hw.shape) <= 2 * border:
        msg = f'{sample.name} has size {sample.depth_hw.shape}: border_px {border} leaves nothing'
        raise DatasetError(msg)
    inner = (slice(border, -border), slice(border, -border))
    return sample.rgb_hwc[inner], sample.depth_hw[inner]


def resize_sample(
    sample: DepthSample, size_hw: tuple[int, int], border_px: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32], float]:
    """Bring a sample to the network's size without any change of content.

    Returns:
        Image uint8 (h, w, 3), depth float32 (h, w) metres with NaN where invalid (nearest
        neighbour: no interpolation across depth edges), and the focal length there in pixels.
    """
    rgb, depth = _cut_border(sample, border_px)
    height, width = size_hw
    focal_px = resized_focal_px(sample.focal_px, depth.shape, size_hw)
    resized = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    nearest = cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return resized.astype(np.uint8, copy=False), nearest.astype(np.float32, copy=False), focal_px


def augment(
    sample: DepthSample,
    size_hw: tuple[int, int],
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], float]:
    """Change a sample at random and bring it to the network's size.

    Returns:
        Image uint8 (h, w, 3), depth float32 (h, w) metres, NaN where invalid, and the focal
        length in pixels, which a zoom leaves as it is since it divides depth instead, and an
        uncut border too, which multiplies it.
    """
    sample = _draw_window(sample, size_hw, rng)
    rgb, depth = _cut_border(sample, augmentation.border_px)
    focal_px = resized_focal_px(sample.focal_px, depth.shape, size_hw)
    if augmentation.keep_border and rng.random() < augmentation.keep_border:
        rgb, depth = sample.rgb_hwc, sample.depth_hw
        # Of the whole image, the focal length is smaller at the network's size.
        depth = depth * np.float32(
            focal_px / resized_focal_px(sample.focal_px, depth.shape, size_hw)
        )
    zoom = math.exp(rng.uniform(0.0, math.log(augmentation.max_zoom)))
    matrix = _draw_warp(depth.shape, size_hw, zoom, augmentation, rng)
    matrix = _draw_tilt(depth.shape, sample.focal_px, augmentation, rng) @ matrix
    warped, warped_depth = _warp(rgb, depth, matrix, size_hw)
    height, width = size_hw
    # How far each pixel's ray, of length 1 along the new optical axis, reaches along the old one.
    x_part = matrix[2, 0] * np.arange(width)
    reach = x_part + (matrix[2, 1] * np.arange(height) + matrix[2, 2])[:, None]
    nearer = (warped_depth / (zoom * reach)).astype(np.float32, copy=False)
    return _change_colour(warped, augmentation, rng), nearer, focal_px


def _warp(
    rgb: MatLike, depth: NDArray[np.float32], matrix: NDArray[np.float64], size_hw: tuple[int, int]
) -> tuple[MatLike, MatLike]:
    """Return image and depth at the network's size, by the map from its pixels to theirs."""
    height, width = size_hw
    # Halving first keeps the warp, which has no area filter, from aliasing.
    source: MatLike = rgb
    to_source = matrix
    if depth.shape[1] >= 2 * width:
        half_w, half_h = depth.shape[1] // 2, depth.shape[0] // 2
        source = cv2.resize(rgb, (half_w, half_h), interpolation=cv2.INTER_AREA)
        x, y = half_w / depth.shape[1], half_h / depth.shape[0]  # not quite 1/2 on odd sides
        to_source = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]]) @ matrix
    inverse = cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(
        source, to_source, (width, height), flags=cv2.INTER_LINEAR | inverse,
        borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    warped_depth = cv2.warpPerspective(
        depth, matrix, (width, height), flags=cv2.INTER_NEAREST | inverse,
        borderMode=cv2.BORDER_CONSTANT, borderValue=math.nan,
    )  # fmt: skip
    return warped, warped_depth


def paste_region(
    rgb_hwc: NDArray[np.uint8],
    depth_hw: NDArray[np.float32],
    other_rgb_hwc: NDArray[np.uint8],
    other_depth_hw: NDArray[np.float32],
    rng: np.random.Generator,
) -> None:
    """Paste a random rectangle of another image, depth included, at its own place.

    What surrounds a surface then tells less about its depth, and what it looks like more. The
    place is kept, since where a surface is in the image is a true sign of how far it is.

    Args:
        rgb_hwc: uint8 (H, W, 3), changed in place.
        depth_hw: Its depth, float32 (H, W) metres, changed in place.
        other_rgb_hwc: Another image of the same size.
        other_depth_hw: Its depth.
        rng: Where the rectangle's place and its sides, 1/4 to 2/3 of the image's, come from.
    """
    height, width = depth_hw.shape
    sides = rng.uniform(1 / 4, 2 / 3, 2) * (height, width)
    top, left = rng.uniform(0, 1, 2) * ((height, width) - sides)
    bottom, right = top + sides[0], left + sides[1]
    region = (slice(int(top), int(bottom)), slice(int(left), int(right)))
    rgb_hwc[region] = other_rgb_hwc[region]
    depth_hw[region] = other_depth_hw[region]


def _draw_window(
    sample: DepthSample, size_hw: tuple[int, int], rng: np.random.Generator
) -> DepthSample:
    """Return the largest part with the network's aspect ratio, somewhere along the longer side.

    Images whose ratio is within 10 % of it stay whole: they are squeezed by as much.
    """
    height, width = sample.depth_hw.shape
    ratio = size_hw[1] / size_hw[0]
    if 1 / _MAX_SQUEEZE <= width / height / ratio <= _MAX_SQUEEZE:
        return sample
    window_h, window_w = min(height, round(width / ratio)), min(width, round(height * ratio))
    top = int(rng.integers(height - window_h + 1))
    left = int(rng.integers(width - window_w + 1))
    window = (slice(top, top + window_h), slice(left, left + window_w))
    return replace(sample, rgb_hwc=sample.rgb_hwc[window], depth_hw=sample.depth_hw[window])


def _draw_warp(
    image_hw: tuple[int, ...],
    size_hw: tuple[int, int],
    zoom: float,
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the 3x3 map from output pixels to image pixels (pixel centres at whole numbers)."""
    (height, width), (out_h, out_w) = image_hw, size_hw
    angle = math.radians(rng.uniform(-1.0, 1.0) * augmentation.max_rotation_deg)
    mirror = -1.0 if augmentation.flip and rng.random() < 0.5 else 1.0
    scale = np.diag([mirror * width / out_w / zoom, height / out_h / zoom, 1.0])
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    from_centre = np.array([[1.0, 0.0, -(out_w - 1) / 2], [0.0, 1.0, -(out_h - 1) / 2], [0, 0, 1]])
    play_x, play_y = width * (1 - 1 / zoom) / 2, height * (1 - 1 / zoom) / 2
    centre_x = (width - 1) / 2 + rng.uniform(-1.0, 1.0) * play_x
    centre_y = (height - 1) / 2 + rng.uniform(-1.0, 1.0) * play_y
    to_image = np.array([[1.0, 0.0, centre_x], [0.0, 1.0, centre_y], [0.0, 0.0, 1.0]])
    warp: NDArray[np.float64] = to_image @ turn @ scale @ from_centre
    return warp


def _draw_tilt(
    image_hw: tuple[int, ...],
    focal_px: float,
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the 3x3 map K R K^-1 from the tilted camera's pixels to the image's.

    Its third row gives z in the image's camera of a ray with z = 1 in the tilted one.
    """
    height, width = image_hw
    camera = np.array(
        [[focal_px, 0.0, (width - 1) / 2], [0.0, focal_px, (height - 1) / 2], [0.0, 0.0, 1.0]]
    )
    limit = math.radians(augmentation.max_tilt_deg)
    angles = np.array([rng.uniform(-1.0, 1.0), rng.uniform(-1.0, 1.0), 0.0]) * limit
    turn = np.asarray(cv2.Rodrigues(angles)[0], np.float64)
    tilt: NDArray[np.float64] = camera @ turn @ np.linalg.inv(camera)
    return tilt


def _change_colour(
    rgb: MatLike, augmentation: Augmentation, rng: np.random.Generator
) -> NDArray[np.uint8]:
    def draw(amount: float) -> float:
        return 1.0 + float(rng.uniform(-amount, amount))

    gamma = math.exp(rng.uniform(-1.0, 1.0) * math.log(augmentation.max_gamma))
    levels = np.linspace(0.0, 1.0, 256)[:, None] ** gamma
    casts = np.array([draw(augmentation.colour_cast) for _ in range(3)])
    gain = draw(augmentation.brightness) * casts
    levels = (levels * gain - 0.5) * draw(augmentation.contrast) + 0.5
    table = (np.clip(levels, 0.0, 1.0) * 255.0).round().astype(np.uint8)
    changed = cv2.LUT(rgb, table.reshape(256, 1, 3))
    saturation = draw(augmentation.saturation)
    grey = cv2.cvtColor(changed, cv2.COLOR_RGB2GRAY)
    mixed = cv2.addWeighted(
        changed, saturation, cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), 1.0 - saturation, 0.0
    )
    return mixed.astype(np.uint8, copy=False)
