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
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from drnet_ros.errors import DeviceLostError, DeviceMemoryError, EngineError
from drnet_ros.inference.camera import CameraModel, rays
from drnet_ros.inference.engines.cuda.plan import (
    Batch,
    BatchGraph,
    Infer,
    OutputSlice,
    Shape,
    fill_input,
    slice_outputs,
)
from drnet_ros.inference.engines.cuda.slots import PendingBatch, Slot, SplitBatch
from drnet_ros.inference.engines.cuda.tensor_depth import fill_cloud
from drnet_ros.inference.engines.engine import Pending
from drnet_ros.inference.limits import MAX_CAMERAS

if TYPE_CHECKING:
    from drnet_ros.inference.engines.cuda.runtime import Runtime
    from drnet_ros.inference.settings import Settings

__all__ = ['CudaPipeline', 'as_engine_error']

_LOG = logging.getLogger(__name__)
_SLOTS = 3  # one uploading, one computing, one downloading
# Or one for each camera, if there are more: n cameras with images of one size make batches of 1
# to n frames, and with n sizes n batches of one. A graph has 7 bytes for each pixel of its batch
# (14.5 MB for one image of 1080p) and some MB of matrices and kernels; what the network needs is
# shared by all. Graphs for 1 to 16 images of 1080p are 2 GB, and go when memory is short.
_KEPT_GRAPHS = 8
_WARM_UPS = 3  # libraries choose algorithms and make workspaces: nothing of that can be captured


class CudaPipeline:
    """Takes batches through upload, network and download. Submit from one thread at a time."""

    def __init__(self, runtime: Runtime, infer: Infer, resize_type: torch.dtype) -> None:
        """Start empty; a graph is captured when its shape first comes.

        Args:
            runtime: The device.
            infer: The network, loaded on the compute stream.
            resize_type: What images are resized in, float32 or float16.
        """
        self._runtime = runtime
        self._infer = infer
        self._resize_type = resize_type
        self._graphs: OrderedDict[Shape, BatchGraph] = OrderedDict()
        self._rays: OrderedDict[tuple[CameraModel, int], Tensor] = OrderedDict()
        self._ring: deque[Slot] = deque()
        self._is_split = False
        self._lost = ''

    @torch.inference_mode()
    def submit(self, batch: Batch, settings: Settings, network_hw: tuple[int, int]) -> Pending:
        """Start work on a batch.

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
        each: list[Batch] = [[frame] for frame in batch]
        try:
            batches = self._try(each if self._is_split else [batch], settings, network_hw)
            if batches is None:  # no longer in an except clause, whose traceback keeps tensors
                self._free()
                self._is_split = self._is_split or len(batch) > 1
                _LOG.warning('out of memory on %s: caches freed', self._runtime.device)
                batches = [self._launch(frames, settings, network_hw) for frames in each]
        except RuntimeError as error:
            raise self._failure(error) from error
        return batches[0] if len(batches) == 1 else SplitBatch(batches)

    def close(self) -> None:
        """Free what the pipeline holds; results under way may still be fetched."""
        del self._infer
        try:
            self._free()
        except RuntimeError as error:  # of a lost device nothing can be freed
            _LOG.warning('cannot free the memory of %s: %s', self._runtime.device, _line(error))

    def _free(self) -> None:
        self._graphs.clear()
        self._rays.clear()
        self._ring.clear()
        self._runtime.release()

    def _failure(self, error: RuntimeError) -> EngineError:
        failure = as_engine_error(error, self._runtime.device)
        if isinstance(failure, DeviceLostError):
            self._lost = str(failure)
        return failure

    def _try(
        self, groups: list[Batch], settings: Settings, network_hw: tuple[int, int]
    ) -> list[PendingBatch] | None:
        """Launch groups of frames; None if there is not enough memory."""
        try:
            return [self._launch(frames, settings, network_hw) for frames in groups]
        except RuntimeError as error:
            if _is_out_of_memory(error):
                return None
            raise

    def _launch(
        self, batch: Batch, settings: Settings, network_hw: tuple[int, int]
    ) -> PendingBatch:
        runtime = self._runtime
        upload, compute, download = runtime.upload, runtime.compute, runtime.download
        slices = slice_outputs(batch, settings)
        float_count = slices[-1].cloud.stop
        with runtime.on(compute):
            graph = self._graph(Shape.of(batch, settings, network_hw), len(settings.cameras))
            byte_count = graph.input.numel()
            # Of a slot that fails half-way nothing is known: it comes back only at the end.
            slot = self._idle_slot(byte_count, float_count)
        fill_input(slot.host_in.numpy()[:byte_count], batch, settings)
        with runtime.on(upload):
            slot.device_in[:byte_count].copy_(slot.host_in[:byte_count], non_blocking=True)
            slot.uploaded.record(upload)
        with runtime.on(compute):
            compute.wait_event(slot.uploaded)
            graph.input.copy_(slot.device_in[:byte_count])
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
        floats[: graph.depth.numel()].copy_(graph.depth.flatten())
        for index, output in enumerate(slices):
            if output.geometry.ray_camera is None or not output.cloud_shape:
                continue
            cloud = floats[output.cloud].view(output.cloud_shape)
            directions = self._device_rays(output.geometry.ray_camera, settings.point_stride)
            color = graph.colors(index) if settings.point_color else None
            fill_cloud(cloud, graph.depth[index], directions, color, settings.point_stride)

    def _graph(self, shape: Shape, camera_count: int) -> BatchGraph:
        if shape not in self._graphs:
            graph = BatchGraph(shape, self._infer, self._runtime.device, self._resize_type)
            for _ in range(_WARM_UPS):
                graph.compute()
            try:
                graph.replay = self._runtime.capture(graph.compute)
            except RuntimeError as error:
                _LOG.warning('cannot use a CUDA graph, so the network is slower: %s', _line(error))
            self._graphs[shape] = graph
            # A graph in flight is freed when it is done (cuGraphExecDestroy), and its memory is
            # the compute stream's; so nothing has to wait here.
            if len(self._graphs) > max(_KEPT_GRAPHS, camera_count):
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(shape)
        return self._graphs[shape]

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


def as_engine_error(error: RuntimeError, device: torch.device) -> EngineError:
    """Return what an error of PyTorch means to the user."""
    if _is_out_of_memory(error):
        msg = (
            f'{device} must have enough free memory, got: {_line(error)}; lower input_size, '
            'use fewer cameras or a smaller backbone, or end what else runs there'
        )
        return DeviceMemoryError(msg)
    if _is_of_another_gpu(error):
        msg = (
            f'PyTorch must have kernels for {device}, got: {_line(error)}; set device to cpu, or '
            'install a PyTorch built for this GPU'
        )
        return EngineError(msg)
    if 'CUDA error' in str(error):  # after most of them, nothing works in this process any more
        msg = f'{device} must go on working, got: {_line(error)}; restart the node'
        return DeviceLostError(msg)
    return EngineError(f'PyTorch failed on {device}: {_line(error)}')


def _is_out_of_memory(error: RuntimeError) -> bool:
    # The allocator, pinned memory, and cuDNN or cuBLAS have each their own way to say so.
    text = str(error)
    return (
        isinstance(error, torch.OutOfMemoryError)
        or 'out of memory' in text
        or 'ALLOC_FAILED' in text
    )


def _is_of_another_gpu(error: RuntimeError) -> bool:
    # PyTorch's own kernels, and cuDNN or cuBLAS, each say it in their way.
    return 'no kernel image' in str(error) or 'ARCH_MISMATCH' in str(error)


def _line(error: RuntimeError) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
