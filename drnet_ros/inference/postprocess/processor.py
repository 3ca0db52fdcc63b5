"""From the network's output to a finished depth frame, on the CPU; and frames rescaled later."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_ros.inference.arrays import FloatArray, UInt8Array
from drnet_ros.inference.camera import CameraModel, rays
from drnet_ros.inference.depth import ROWS_AT_ONCE, drop_edges, limit_range, point_cloud
from drnet_ros.inference.frames import DepthFrame, Frame
from drnet_ros.inference.postprocess.edge_refinement import refine_edges
from drnet_ros.inference.postprocess.voxels import voxel_cloud

if TYPE_CHECKING:
    from drnet_ros.inference.settings import Settings
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = [
    'Geometry',
    'PostProcessor',
    'add_voxels',
    'build_cloud',
    'edge_threshold_at',
    'ray_camera_of',
    'rescale',
]


@dataclass(frozen=True, slots=True)
class Geometry:
    """Size and scale of one frame's depth.

    Attributes:
        depth_hw: Height and width of the depth.
        scale: What makes the network's depth metric.
        camera: The frame's camera at the size of the depth, or None.
        ray_camera: The camera whose rays the pixels look along, rectified if the images are; or
            None.
        edge_threshold_at_depth: Relative jump between neighbouring pixels of the depth that is an
            edge, where `Settings.edge_threshold` is between those of the network; 0 drops none.
    """

    depth_hw: tuple[int, int]
    scale: float
    camera: CameraModel | None
    ray_camera: CameraModel | None
    edge_threshold_at_depth: float


@dataclass(frozen=True, slots=True)
class PostProcessor:
    """Scales, resizes and filters depth, and builds the cloud.

    Attributes:
        metadata: `f_training` and the size it belongs to are read.
    """

    metadata: WeightsMetadata

    def finish(self, network_depth_hw: FloatArray, frame: Frame, settings: Settings) -> DepthFrame:
        """Make the depth frame of one image.

        Resizing is bilinear with half-pixel centers, or follows the edges of the image; then come,
        at the size of the output, scale, edges and range.

        Args:
            network_depth_hw: The network's depth in metres, float32; not changed, not kept.
            frame: What was submitted.
            settings: The settings it was submitted with.

        Returns:
            The finished frame; its arrays own their memory.

        Raises:
            CameraError: If the frame's camera has another aspect ratio than its image.
        """
        geometry = self.geometry(frame, _size(network_depth_hw), settings)
        scale, size = np.float32(geometry.scale), geometry.depth_hw
        if settings.refine_edges:
            depth = refine_edges(network_depth_hw, frame.rgb_hwc, size)
            depth *= scale
        elif _size(network_depth_hw) == size:
            depth = network_depth_hw * scale
        else:
            resized = cv2.resize(network_depth_hw, size[::-1], interpolation=cv2.INTER_LINEAR)
            depth = np.multiply(resized, scale, out=resized)
        drop_edges(depth, geometry.edge_threshold_at_depth)
        limit_range(depth, settings.min_depth, settings.max_depth)
        if geometry.ray_camera is None or not frame.points:
            return DepthFrame(depth, geometry.camera)
        points = build_cloud(depth, geometry.ray_camera, frame.rgb_hwc, settings)
        return DepthFrame(depth, geometry.camera, points)

    def geometry(self, frame: Frame, network_hw: tuple[int, int], settings: Settings) -> Geometry:
        """Return size and scale of the depth of one image.

        Args:
            frame: What was submitted.
            network_hw: The size at which the network sees the image.
            settings: The settings it was submitted with.

        Returns:
            Size, scale and cameras.

        Raises:
            CameraError: If the frame's camera has another aspect ratio than its image.
        """
        image_hw = _size(frame.rgb_hwc)
        size = settings.output_size if settings.output_size != (0, 0) else image_hw
        at_image = None if frame.camera is None else frame.camera.matching(*image_hw)
        scale = self.focal_scale(at_image, network_hw, settings)
        edge = edge_threshold_at(size, network_hw, settings.edge_threshold)
        if at_image is None:
            return Geometry(size, scale, None, None, edge)
        camera = at_image.scaled_to(*size)
        return Geometry(size, scale, camera, ray_camera_of(camera, settings), edge)

    def focal_scale(
        self, camera: CameraModel | None, network_hw: tuple[int, int], settings: Settings
    ) -> float:
        """Return the factor that makes the network's depth metric for this camera.

        A thing looks as large in pixels at depth z through focal length f as at z f' / f
        through f', and size in pixels is what the network judges depth by. So the factor is
        f / f_training, both in pixels of the network's input. A camera that is not known is taken
        to have the training camera's field of view.

        Args:
            camera: The camera of the image, or None.
            network_hw: The size at which the network saw the image.
            settings: `scale_by_focal_length`, `image_is_rectified` and `scale_factor` are read.

        Returns:
            The factor times `scale_factor`; that alone if scaling is off.
        """
        if not settings.scale_by_focal_length:
            return settings.scale_factor
        if camera is None:
            trained_area = self.metadata.input_height * self.metadata.input_width
            field_of_view = math.sqrt(network_hw[0] * network_hw[1] / trained_area)
            return settings.scale_factor * field_of_view
        focal_ratio = (
            ray_camera_of(camera, settings).focal_at(*network_hw) / self.metadata.f_training
        )
        return settings.scale_factor * focal_ratio


def ray_camera_of(camera: CameraModel, settings: Settings) -> CameraModel:
    """Return the camera whose rays the pixels of images look along, rectified if they are.

    Args:
        camera: The camera that took them.
        settings: `image_is_rectified` is read.

    Raises:
        CameraError: It cannot be rectified.
    """
    return camera.rectified() if settings.image_is_rectified else camera


def edge_threshold_at(
    depth_hw: tuple[int, int], network_hw: tuple[int, int], edge_threshold: float
) -> float:
    """Return the jump between pixels of the depth that is one between pixels of the network.

    Enlarged by n, depth takes n steps from one side of an edge to the other.

    Args:
        depth_hw: Height and width of the depth.
        network_hw: Height and width at which the network sees the image.
        edge_threshold: The jump between pixels of the network.
    """
    finer = math.sqrt(math.prod(network_hw) / math.prod(depth_hw))
    return math.pow(1 + edge_threshold, min(1.0, finer)) - 1


def build_cloud(
    depth: FloatArray, ray_camera: CameraModel, rgb: UInt8Array, settings: Settings
) -> FloatArray:
    """Build the cloud of a frame; see `depth.point_cloud`.

    Args:
        depth: Its depth.
        ray_camera: The camera whose rays the pixels of the depth look along.
        rgb: Its image, uint8 (H, W, 3), of any size.
        settings: `point_color` and `point_stride` are read.
    """
    color = _color(depth, rgb, settings)
    return point_cloud(depth, rays(ray_camera), color, settings.point_stride)


def _color(depth: FloatArray, rgb: UInt8Array, settings: Settings) -> UInt8Array | None:
    """Return the image at the size of the depth, if points have its colour."""
    if not settings.point_color or _size(rgb) == _size(depth):
        return rgb if settings.point_color else None
    return cv2.resize(  # type: ignore[return-value]
        rgb, _size(depth)[::-1], interpolation=cv2.INTER_AREA
    )


def add_voxels(frame: Frame, result: DepthFrame, settings: Settings) -> DepthFrame:
    """Add the thinned cloud, if it is wanted and can be made.

    Args:
        frame: What was submitted.
        result: What came of it, with depth as it is to be published.
        settings: `point_voxel`, `point_stride`, `point_color` and `image_is_rectified`.

    Returns:
        The same arrays, and `voxels`.
    """
    if not frame.voxels or result.camera is None or not settings.point_voxel:
        return result
    camera = ray_camera_of(result.camera, settings)
    depth, size_m = result.depth_hw, settings.point_voxel
    color = _color(depth, frame.rgb_hwc, settings)
    voxels = voxel_cloud(depth, rays(camera), size_m, color, settings.point_stride)
    return replace(result, voxels=voxels)


def _size(image: FloatArray | UInt8Array) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


def rescale(
    result: DepthFrame, factors: Iterable[tuple[slice, FloatArray]] | float, settings: Settings
) -> None:
    """Multiply depth and cloud, in place; what leaves the range becomes invalid.

    Args:
        result: The depth frame; changed.
        factors: One factor; or some rows of the depth at a time, with a factor for each of their
            pixels, float32 (rows, W), such as `ScaleField.factor_rows` gives.
        settings: The range, and the stride of the cloud.
    """
    stride, points = settings.point_stride, result.points
    if not isinstance(factors, Iterable):
        factors = _uniform(factors, result.depth_hw)
    for rows, by in factors:
        depth = result.depth_hw[rows]
        depth *= by
        limit_range(depth, settings.min_depth, settings.max_depth)
        if points is None:
            continue
        first = -(-rows.start // stride)
        every = slice(first * stride - rows.start, None, stride), slice(None, None, stride)
        kept = np.where(np.isnan(depth[every]), np.float32(np.nan), by[every])
        cloud = points[first : first + len(kept)]
        for axis in range(3):  # in one operation NumPy takes them three by three, which is slow
            cloud[..., axis] *= kept


def _uniform(factor: float, depth_hw: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
    height, width = depth_hw.shape
    whole = np.full((1, width), factor, np.float32)
    for top in range(0, height, ROWS_AT_ONCE):
        rows = slice(top, min(top + ROWS_AT_ONCE, height))
        yield rows, np.broadcast_to(whole, (rows.stop - top, width))
