"""What a GPU does to a batch: bytes that go up, work on them, floats that come down."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from drnet_ros.inference.arrays import FloatArray, UInt8Array
from drnet_ros.inference.engines.cuda.tensor_depth import (
    brightness_of,
    fill_depth,
    refine_depth,
    resize_bytes,
    resize_matrix,
    resize_planes,
)
from drnet_ros.inference.frames import DepthFrame, Frame
from drnet_ros.inference.postprocess import Geometry
from drnet_ros.inference.postprocess.edge_refinement import SUBSAMPLING
from drnet_ros.inference.settings import Settings

__all__ = [
    'Batch',
    'BatchGraph',
    'Infer',
    'OutputSlice',
    'Shape',
    'fill_input',
    'graph_counts',
    'slice_outputs',
]

Batch: TypeAlias = Sequence[tuple[Frame, Geometry]]
"""Frames with images and depths of the same size, and the geometry of each one's depth."""

Infer: TypeAlias = Callable[[Tensor], Tensor]
"""The network: images (B, 3, H, W), any type, 0 to 255, to metres, float32 (B, H, W)."""

_LIMITS = 4  # floats for each frame, before the images: the limits of `fill_depth`


@dataclass(frozen=True, slots=True)
class Shape:
    """What a graph is fixed to; all else may change from batch to batch.

    Attributes:
        count: Most frames in the batch.
        image_hw: Height and width of the images.
        network_hw: Height and width at which the network sees them.
        depth_hw: Height and width of the depth.
        has_edges: Whether depth edges are dropped.
        refines: Whether depth edges follow those of the image.
    """

    count: int
    image_hw: tuple[int, int]
    network_hw: tuple[int, int]
    depth_hw: tuple[int, int]
    has_edges: bool
    refines: bool

    @classmethod
    def of(cls, batch: Batch, settings: Settings, network_hw: tuple[int, int]) -> Shape:
        """Return the shape of a batch.

        Args:
            batch: The batch.
            settings: Its settings.
            network_hw: Height and width at which the network sees the images.
        """
        frame, geometry = batch[0]
        height, width = frame.rgb_hwc.shape[:2]
        return cls(
            *(len(batch), (height, width), network_hw, geometry.depth_hw),
            has_edges=settings.edge_threshold > 0,
            refines=settings.refine_edges,
        )


def graph_counts(camera_count: int) -> list[int]:
    """Return for how many frames graphs are made: powers of two below the cameras, and all.

    A batch of another size runs in the graph of the next larger one, as in vLLM: fewer graphs for
    less than twice the work.

    Args:
        camera_count: How many cameras there are.
    """
    powers = [1 << bit for bit in range(camera_count.bit_length())]
    return [*(power for power in powers if power < camera_count), camera_count]


class BatchGraph:
    """From the input of a batch to its depth, always in the same memory of the device.

    Attributes:
        input: What `fill_input` writes, uint8, one dimension.
        depth: Metres, float32 (B, H, W), NaN where invalid.
        replay: Does what `compute` does, as a graph; None until it is captured.
    """

    def __init__(
        self, shape: Shape, infer: Infer, device: torch.device, resize_type: torch.dtype
    ) -> None:
        """Allocate, on the current stream.

        Args:
            shape: The shape of the batches.
            infer: The network.
            device: Where it is.
            resize_type: What images are resized in.
        """
        header = shape.count * _LIMITS * 4
        size = header + shape.count * math.prod(shape.image_hw) * 3
        self.input = torch.zeros(size, dtype=torch.uint8, device=device)
        self.depth = torch.zeros(shape.count, *shape.depth_hw, device=device)
        self.replay: Callable[[], None] | None = None
        self._header, self._image_bytes = header, math.prod(shape.image_hw) * 3
        self._limits = self.input[:header].view(torch.float32).view(-1, _LIMITS)
        self._images = self.input[header:].view(-1, *shape.image_hw, 3)
        self._infer = infer
        self._has_edges, self._refines = shape.has_edges, shape.refines

        def weights(
            to_hw: tuple[int, int], *, averages: bool, kind: torch.dtype = resize_type
        ) -> list[Tensor]:
            return [
                resize_matrix(old, new, averages=averages).to(device, kind)
                for old, new in zip(shape.image_hw, to_hw, strict=True)
                if to_hw != shape.image_hw
            ]

        shrinks = math.prod(shape.network_hw) < math.prod(shape.image_hw)
        self._to_network = weights(shape.network_hw, averages=shrinks)
        self._to_depth = weights(shape.depth_hw, averages=True)
        if shape.refines:
            height, width = (side // SUBSAMPLING for side in shape.network_hw)
            self._to_filter = weights((height, width), averages=True, kind=torch.float32)
            self._to_sharp = weights(shape.depth_hw, averages=True, kind=torch.float32)

    def byte_count(self, count: int) -> int:
        """Return how much of `input` a number of frames takes, from its start on."""
        return self._header + count * self._image_bytes

    def compute(self) -> None:
        """Fill `depth` from `input`, on the current stream."""
        depth = self._infer(resize_bytes(self._images, *self._to_network))
        if self._refines:
            brightness = brightness_of(self._images)
            powers = torch.cat([brightness, brightness**2], 1)
            sharp = resize_planes(brightness, *self._to_sharp)
            depth = refine_depth(depth, resize_planes(powers, *self._to_filter), sharp)
        fill_depth(self.depth, depth, self._limits, has_edges=self._has_edges)

    def colors(self, index: int) -> Tensor:
        """Return the colors of a frame at the size of its depth: whole numbers, (H, W, 3)."""
        planes = resize_bytes(self._images[index : index + 1], *self._to_depth)
        return planes[0].permute(1, 2, 0)


@dataclass(frozen=True, slots=True)
class OutputSlice:
    """Where the result of a frame lies among the floats that come down.

    Attributes:
        geometry: Size and camera of the depth.
        depth: The floats of the depth.
        cloud: The floats of the cloud.
        cloud_shape: Their shape, () for no cloud.
    """

    geometry: Geometry
    depth: slice
    cloud: slice
    cloud_shape: tuple[int, ...]

    def read(self, floats: FloatArray) -> DepthFrame:
        """Copy the result out.

        Args:
            floats: All floats of the batch.
        """
        depth = floats[self.depth].reshape(self.geometry.depth_hw).copy()
        cloud = floats[self.cloud].reshape(self.cloud_shape).copy() if self.cloud_shape else None
        return DepthFrame(depth, self.geometry.camera, cloud)


def slice_outputs(batch: Batch, settings: Settings) -> list[OutputSlice]:
    """Lay out the results of a batch: all depths, then the clouds that are wanted.

    Args:
        batch: The batch.
        settings: Its settings.

    Returns:
        A slice for each frame; the last one's cloud ends where the floats end.
    """
    stride, channels = settings.point_stride, 4 if settings.point_color else 3
    slices = []
    area = math.prod(batch[0][1].depth_hw)
    end = len(batch) * area
    for index, (frame, geometry) in enumerate(batch):
        shape: tuple[int, ...] = ()
        start = end
        if frame.points and geometry.ray_camera is not None:
            shape = (*(-(-side // stride) for side in geometry.depth_hw), channels)
            end += math.prod(shape)
        depth = slice(index * area, (index + 1) * area)
        slices.append(OutputSlice(geometry, depth, slice(start, end), shape))
    return slices


def fill_input(data: UInt8Array, batch: Batch, settings: Settings, count: int) -> None:
    """Write the input of a batch: limits, then images.

    Args:
        data: Written, as large as `BatchGraph.byte_count`.
        batch: The batch.
        settings: Its settings.
        count: For how many frames the graph is; the limits of those that are not there are zero.
    """
    header = count * _LIMITS * 4
    limits = data[:header].view(np.float32).reshape(-1, _LIMITS)
    limits[len(batch) :] = 0
    images = data[header:].reshape(-1, *batch[0][0].rgb_hwc.shape)
    for index, (frame, geometry) in enumerate(batch):
        jump = 1 + geometry.edge_threshold_at_depth
        limits[index] = geometry.scale, settings.min_depth, settings.max_depth, jump
        images[index] = frame.rgb_hwc
