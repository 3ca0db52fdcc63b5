"""Small grey images with camera and pose, and which of them show a scene from another place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_ros.inference.camera import CameraModel
from drnet_ros.inference.distortion import distort
from drnet_ros.inference.sparse_depth.sources.pose_track import is_jump
from drnet_ros.inference.sparse_depth.sources.rigid import Pose, angle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ['PosedImage', 'Views', 'at_size', 'pinhole']

# Baselines over the depth of the scene: the shorter one is safe from ambiguity, the longer exact.
_BASELINES = (0.04, 0.1)
_LEAST_BASELINE = 0.015
_MOST_TURNED = np.radians(20)
# Odometry drifts: images of the same place from long before have no exact relative pose.
_LONGEST_NS = 8_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class PosedImage:
    """A small grey image.

    Attributes:
        position: Which image of its recording it is.
        stamp_ns: When it was taken.
        camera: Its camera, at any size of the same view.
        pose: Of the optical frame in a frame that stands still; None if unknown.
        grey_hw: The image, uint8 (H, W).
    """

    position: int
    stamp_ns: int
    camera: CameraModel
    pose: Pose | None
    grey_hw: NDArray[np.uint8]


class Views:
    """The images of a recording, in the order of time."""

    def __init__(self, way: Sequence[PosedImage]) -> None:
        """Keep them.

        Args:
            way: The images in order.
        """
        self._way = list(way)
        self._index_of = {image.position: index for index, image in enumerate(self._way)}

    def at(self, position: int) -> PosedImage | None:
        """Return an image whose pose is known; None if it is not."""
        index = self._index_of.get(position)
        image = None if index is None else self._way[index]
        return image if image is not None and image.pose is not None else None

    def around(self, position: int, depth_m: float) -> tuple[list[PosedImage], list[PosedImage]]:
        """Return earlier and later images from places apart, nearest first.

        Args:
            position: Of an image with a pose.
            depth_m: How far away the scene is, metres.
        """
        index = self._index_of[position]
        image = self._way[index]
        earlier = _apart(image, self._way[:index][::-1], depth_m)
        return earlier, _apart(image, self._way[index + 1 :], depth_m)


def _apart(image: PosedImage, others: Iterable[PosedImage], depth_m: float) -> list[PosedImage]:
    """Return the first image beyond each baseline, or the one farthest away if there is none."""
    found: list[PosedImage] = []
    farthest, farthest_m = None, _LEAST_BASELINE * depth_m
    last = image
    for other in others:
        if abs(other.stamp_ns - image.stamp_ns) > _LONGEST_NS or len(found) == len(_BASELINES):
            break
        if other.pose is None or last.pose is None or image.pose is None:
            continue
        if is_jump(last.pose, other.pose, abs(other.stamp_ns - last.stamp_ns)):
            break
        last = other
        if angle(image.pose, other.pose) > _MOST_TURNED:
            break
        baseline_m = float(np.linalg.norm(other.pose[:3, 3] - image.pose[:3, 3]))
        if baseline_m > farthest_m:
            farthest, farthest_m = other, baseline_m
        if baseline_m >= _BASELINES[len(found)] * depth_m:
            found.append(other)
    if farthest is not None and farthest not in found:
        found.append(farthest)
    return found[: len(_BASELINES)]


def at_size(image: PosedImage, size_hw: tuple[int, int]) -> NDArray[np.float32]:
    """Return an image at another size, float32 (h, w)."""
    small = cv2.resize(image.grey_hw, size_hw[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def pinhole(
    image: PosedImage, size_hw: tuple[int, int]
) -> tuple[NDArray[np.float32], CameraModel]:
    """Return an image without its lens distortion, and the camera of that.

    Args:
        image: The image.
        size_hw: The size wanted.
    """
    height, width = size_hw
    camera = image.camera.scaled_to(height, width)
    grey = at_size(image, size_hw)
    if not camera.d:
        return grey, camera
    straight: NDArray[np.float32] = cv2.remap(  # type: ignore[assignment]
        grey, *_distorted_pixels(camera), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    plain = CameraModel(width, height, camera.fx, camera.fy, camera.cx, camera.cy)
    return straight, plain


@lru_cache(maxsize=4)
def _distorted_pixels(camera: CameraModel) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return column and row in the image for each pixel of the image without distortion."""
    rows, columns = np.mgrid[: camera.height, : camera.width].astype(np.float64)
    x, y = (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
    with np.errstate(all='ignore'):
        x, y = distort(camera.distortion_model, camera.d, x, y)
    column, row = x * camera.fx + camera.cx, y * camera.fy + camera.cy
    return column.astype(np.float32), row.astype(np.float32)
