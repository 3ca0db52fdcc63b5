"""The graphs of a device, one for each shape of batches: made step by step, and kept."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from drnet_ros.inference.engines.cuda.failures import first_line
from drnet_ros.inference.engines.cuda.plan import BatchGraph, Infer, Shape

if TYPE_CHECKING:
    import torch

    from drnet_ros.inference.engines.cuda.runtime import Runtime

__all__ = ['Graphs']

_LOG = logging.getLogger(__name__)
# Or one for each camera, if there are more. A graph has 7 bytes for each pixel of its batch
# (14.5 MB for one image of 1080p) and some MB of matrices and kernels; what the network needs is
# shared by all. Graphs for 1, 2, 4, 8 and 16 images of 1080p are 450 MB, and go when memory is
# short.
_KEPT_GRAPHS = 8
_WARM_UPS = 3  # libraries choose algorithms and make workspaces: nothing of that can be captured


class Graphs:
    """Graphs by the shape of their batches; those used last are kept."""

    def __init__(self, runtime: Runtime, infer: Infer, resize_type: torch.dtype) -> None:
        """Start with none.

        Args:
            runtime: The device.
            infer: The network, loaded on the compute stream.
            resize_type: What images are resized in.
        """
        self._runtime = runtime
        self._infer = infer
        self._resize_type = resize_type
        self._graphs: OrderedDict[Shape, BatchGraph] = OrderedDict()

    def __contains__(self, shape: Shape) -> bool:
        """Whether there is a graph for batches of a shape; any thread may ask."""
        return shape in self._graphs

    def get(self, shape: Shape, camera_count: int) -> BatchGraph:
        """Return the graph of a shape, made now if there is none.

        Args:
            shape: The shape.
            camera_count: How many cameras there are.
        """
        if shape not in self._graphs:
            for _ in self.make(shape, camera_count):
                pass
        self._graphs.move_to_end(shape)
        return self._graphs[shape]

    def make(self, shape: Shape, camera_count: int) -> Iterator[None]:
        """Make the graph of a shape.

        Args:
            shape: The shape.
            camera_count: How many cameras there are.

        Yields:
            Between steps of about a frame's time, the first one longer; other work may be
            launched then.
        """
        runtime = self._runtime
        with runtime.on(runtime.compute):
            graph = BatchGraph(shape, self._infer, runtime.device, self._resize_type)
        for _ in range(_WARM_UPS):
            with runtime.on(runtime.compute):
                graph.compute()
            yield
        with runtime.on(runtime.compute):
            try:
                graph.replay = runtime.capture(graph.compute)
            except RuntimeError as error:
                text = first_line(error)
                _LOG.warning('cannot use a CUDA graph, so the network is slower: %s', text)
            self._graphs[shape] = graph
            # A graph in flight is freed when it is done (cuGraphExecDestroy), and its memory is
            # the compute stream's; so nothing has to wait here.
            if len(self._graphs) > max(_KEPT_GRAPHS, camera_count):
                self._graphs.popitem(last=False)

    def clear(self) -> None:
        """Let go of all graphs."""
        self._graphs.clear()
