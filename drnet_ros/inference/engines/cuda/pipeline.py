"""Depth on an NVIDIA GPU: upload, compute and download of successive batches overlap.

Three streams, and a ring of slots that batches go through:

    host      fill host_in                                               read host_out
    upload          host_in -> device_in                                       ^
    compute                    device_in -> graph -> device_out                |
    download                                         device_out -> host_out ---+

From stream to stream an event passes the work on; the host waits for a slot's last event alone,
before it reads the slot's result and before it fills the slot again. Each shape of batches has a
`BatchGraph`: the whole work, network included, as one CUDA graph with its own buffers.

Who may touch memory when (test_cuda_order.py proves it for all buffers and all waits):
- Device memory is allocated on the compute stream, as PyTorch's allocator hands what is freed to
  whatever comes next on the same stream. What the other streams use is marked with
  `Runtime.mark`, and the upload stream waits before it first writes into a new buffer.
- Nothing is marked as used by the compute stream, where graphs are captured: the allocator could
  then query an event that belongs to a capture (pytorch#193982).
- Pinned memory that is let go stays with its allocator until the copies under way are done.
"""

from __future__ import annotations

import logging
import weakref
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from drnet_ros.errors import DeviceLostError, EngineError
from drnet_ros.inference.camera import CameraModel, rays
from drnet_ros.inference.engines.cuda.failures import as_engine_error, first_line, is_shortage
from drnet_ros.inference.engines.cuda.graphs import Graphs
from drnet_ros.inference.engines.cuda.plan import (
    Batch,
    BatchGraph,
    Infer,
    OutputSlice,
    Shape,
    fill_input,
    graph_counts,
    slice_outputs,
)
from drnet_ros.inference.engines.cuda.slots import PendingBatch, Slot, SplitBatch
from drnet_ros.inference.engines.cuda.tensor_depth import fill_cloud
from drnet_ros.inference.engines.engine import Pending
from drnet_ros.inference.limits import MAX_CAMERAS

if TYPE_CHECKING:
    from drnet_ros.inference.engines.cuda.runtime import Runtime
    from drnet_ros.inference.settings import Settings

__all__ = ['CudaPipeline']

_LOG = logging.getLogger(__name__)
_SLOTS = 3  # one uploading, one computing, one downloading


class CudaPipeline:
    """Takes batches through upload, network and download. Submit from one thread at a time."""

    def __init__(self, runtime: Runtime, infer: Infer, resize_type: torch.dtype) -> None:
        """Start empty; a graph is captured in advance, or when its shape first comes.

        Args:
            runtime: The device.
            infer: The network, loaded on the compute stream.
            resize_type: What images are resized in, float32 or float16.
        """
        self._runtime = runtime
        self._graphs = Graphs(runtime, infer, resize_type)
        self._coming: set[Shape] = set()
        self._rays: OrderedDict[tuple[CameraModel, int], Tensor] = OrderedDict()
        self._ring: deque[Slot] = deque()
        self._is_split = False
        self._lost = ''

    @torch.inference_mode()
    def submit(self, batch: Batch, settings: Settings, network_hw: tuple[int, int]) -> Pending:
        """Start work on a batch.

        While the graph for its size is being prepared, it runs in pieces for which there is one.
        If it does not fit into the device's memory, caches are freed and its frames run one by
        one, as those of later batches then do from the start.

        Args:
            batch: Frames with images of the same size, and the geometry of their depth.
            settings: The settings for this batch.
            network_hw: The size at which the network sees the images.

        Returns:
            The work under way.

        Raises:
            DeviceMemoryError: If not even one frame fits.
            DeviceLostError: If the device failed, now or before.
            EngineError: If PyTorch failed otherwise.
        """
        if self._lost:
            raise DeviceLostError(self._lost)
        try:
            batches = self._try(self._pieces(batch, settings, network_hw), settings, network_hw)
            if batches is None:  # no longer in an except clause, whose traceback keeps tensors
                self._free()
                self._is_split = self._is_split or len(batch) > 1
                _LOG.warning('out of memory on %s: caches freed', self._runtime.device)
                batches = [self._launch([frame], settings, network_hw) for frame in batch]
        except RuntimeError as error:
            raise self._failure(error) from error
        return batches[0] if len(batches) == 1 else SplitBatch(batches)

    def is_ready(self, shape: Shape) -> bool:
        """Whether there is a graph for batches of a shape; any thread may ask."""
        return shape in self._graphs

    @torch.inference_mode()
    def preparation(self, shape: Shape, camera_count: int) -> Iterator[None]:
        """Make the graphs for images of a size: for one of them, then for all cameras and fewer.

        Args:
            shape: The shape of a batch of one such image.
            camera_count: How many cameras there are.

        Yields:
            Between steps, when batches may be submitted.

        Raises:
            RuntimeError: If the first graph cannot be made. If another one lacks memory, batches
                run frame by frame from then on.
        """
        one, *more = graph_counts(camera_count)
        shapes = [replace(shape, count=count) for count in (one, *reversed(more))]
        self._coming.update(shapes)
        try:
            for each in shapes:
                if each not in self._graphs and not (self._is_split and each.count > 1):
                    yield from self._graphs.make(each, camera_count)
                self._coming.discard(each)
        except RuntimeError as error:
            if shapes[0] in self._coming or not is_shortage(error):
                raise
            self._is_split = True
            text = first_line(error)
            _LOG.warning('frames of a batch run one by one on %s: %s', self._runtime.device, text)
        finally:
            self._coming.difference_update(shapes)

    def close(self) -> None:
        """Free what the pipeline holds; results under way may still be fetched."""
        try:
            self._free()
        except RuntimeError as error:  # of a lost device nothing can be freed
            text = first_line(error)
            _LOG.warning('cannot free the memory of %s: %s', self._runtime.device, text)
        del self._graphs

    def _free(self) -> None:
        self._graphs.clear()
        self._rays.clear()
        self._ring.clear()
        self._runtime.release()

    def _failure(self, error: RuntimeError) -> EngineError:
        is_lost = not self._runtime.is_alive()
        failure = as_engine_error(error, self._runtime.device, is_lost=is_lost)
        if is_lost:
            self._lost = str(failure)
        return failure

    def _pieces(
        self, batch: Batch, settings: Settings, network_hw: tuple[int, int]
    ) -> list[Batch]:
        """Cut a batch into such as can run at once."""
        shape = self._shape(batch, settings, network_hw)
        size = len(batch)
        if self._is_split:
            size = 1
        elif shape in self._coming and shape not in self._graphs:
            counts = [count for count in graph_counts(len(settings.cameras)) if count < size]
            ready = [count for count in counts if replace(shape, count=count) in self._graphs]
            size = max(ready, default=size)
        return [batch[start : start + size] for start in range(0, len(batch), size)]

    def _shape(self, batch: Batch, settings: Settings, network_hw: tuple[int, int]) -> Shape:
        """Return the least shape that a batch fits into, of those with a graph if there is one."""
        own = Shape.of(batch, settings, network_hw)
        counts = [n for n in graph_counts(len(settings.cameras)) if n >= len(batch)]
        fitting = [replace(own, count=count) for count in counts] or [own]
        return next((shape for shape in fitting if shape in self._graphs), fitting[0])

    def _try(
        self, groups: list[Batch], settings: Settings, network_hw: tuple[int, int]
    ) -> list[PendingBatch] | None:
        """Launch groups of frames; None if there is not enough memory."""
        try:
            return [self._launch(frames, settings, network_hw) for frames in groups]
        except RuntimeError as error:
            if is_shortage(error):
                return None
            raise

    def _launch(
        self, batch: Batch, settings: Settings, network_hw: tuple[int, int]
    ) -> PendingBatch:
        runtime = self._runtime
        upload, compute, download = runtime.upload, runtime.compute, runtime.download
        slices = slice_outputs(batch, settings)
        float_count = slices[-1].cloud.stop
        shape = self._shape(batch, settings, network_hw)
        graph = self._graphs.get(shape, len(settings.cameras))
        byte_count = graph.byte_count(len(batch))
        with runtime.on(compute):
            # Of a slot that fails half-way nothing is known: it comes back only at the end.
            slot = self._idle_slot(byte_count, float_count)
        fill_input(slot.host_in.numpy()[:byte_count], batch, settings, shape.count)
        with runtime.on(upload):
            slot.device_in[:byte_count].copy_(slot.host_in[:byte_count], non_blocking=True)
            slot.uploaded.record(upload)
        with runtime.on(compute):
            compute.wait_event(slot.uploaded)
            graph.input[:byte_count].copy_(slot.device_in[:byte_count])
            (graph.replay or graph.compute)()
            self._gather(slot.device_out, graph, slices, settings)
            slot.computed.record(compute)
        with runtime.on(download):
            download.wait_event(slot.computed)
            slot.host_out[:float_count].copy_(slot.device_out[:float_count], non_blocking=True)
            slot.done.record(download)
        pending = PendingBatch(slot, slices, self._failure)
        slot.batch = weakref.ref(pending)
        self._ring.append(slot)
        return pending

    def _idle_slot(self, byte_count: int, float_count: int) -> Slot:
        if len(self._ring) < _SLOTS:
            return Slot(self._runtime, byte_count, float_count)
        slot = self._ring.popleft()
        slot.reclaim()
        if slot.holds(byte_count, float_count):
            return slot
        byte_count = max(byte_count, slot.host_in.numel())
        return Slot(self._runtime, byte_count, max(float_count, slot.host_out.numel()))

    def _gather(
        self, floats: Tensor, graph: BatchGraph, slices: list[OutputSlice], settings: Settings
    ) -> None:
        """Collect the results of a batch; clouds differ from frame to frame, and need no graph."""
        depths = graph.depth[: len(slices)].flatten()
        floats[: depths.numel()].copy_(depths)
        for index, output in enumerate(slices):
            if output.geometry.ray_camera is None or not output.cloud_shape:
                continue
            cloud = floats[output.cloud].view(output.cloud_shape)
            directions = self._device_rays(output.geometry.ray_camera, settings.point_stride)
            color = graph.colors(index) if settings.point_color else None
            fill_cloud(cloud, graph.depth[index], directions, color, settings.point_stride)

    def _device_rays(self, camera: CameraModel, stride: int) -> Tensor:
        key = camera, stride
        if key not in self._rays:
            directions = rays(camera)[::stride, ::stride]
            host = self._runtime.pinned(directions.size, torch.float32)
            host.numpy().reshape(directions.shape)[...] = directions
            device = torch.empty(directions.shape, device=self._runtime.device)
            self._rays[key] = device.copy_(host.view(directions.shape), non_blocking=True)
            if len(self._rays) > MAX_CAMERAS:  # as large as on the host, and as many
                self._rays.popitem(last=False)
        self._rays.move_to_end(key)
        return self._rays[key]
