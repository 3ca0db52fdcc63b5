"""The pipeline on a device that is not there: every buffer is ordered, whatever the timing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from cuda_double import DoubleRuntime, InterruptError, Order, RaceError
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from drnet_ros.errors import DeviceMemoryError
from drnet_ros.inference import CameraModel, Frame, Pending, Settings
from drnet_ros.inference.engines.cuda.pipeline import CudaPipeline
from drnet_ros.inference.engines.cuda.plan import Shape, graph_counts
from drnet_ros.inference.limits import MAX_CAMERAS
from drnet_ros.inference.postprocess import PostProcessor
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.metadata import WeightsMetadata

pytestmark = pytest.mark.slow

POST = PostProcessor(
    WeightsMetadata(
        network=NetworkConfig(),
        input_height=8,
        input_width=8,
        f_training=10.0,
        min_depth=0.1,
        max_depth=10.0,
    )
)
NETWORK_HW = (8, 8)
SIZES = ((8, 8), (16, 24))
PLAIN = Settings(min_depth=0.001, max_depth=80.0, refine_edges=False)
REFINED = PLAIN.changed(refine_edges=True)
RICH = PLAIN.changed(edge_threshold=0.5, point_stride=3)


def infer(rgb_bchw: Tensor) -> Tensor:
    """Stand in for the network: depth tells images, pixels and channels apart."""
    weights = torch.tensor([0.01, 0.02, 0.03])
    return torch.einsum('bchw,c->bhw', rgb_bchw.float(), weights) + 0.5


class Sent(NamedTuple):
    """A submitted batch."""

    pending: Pending
    frames: list[Frame]
    settings: Settings


class Bench:
    """A pipeline on the double, and what was submitted to it."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.runtime = DoubleRuntime(order)
        self.most_frames = 99  # that memory is there for
        self.pipeline = CudaPipeline(self.runtime, self._infer, torch.float32)
        self.sent: list[Sent] = []
        self.is_closed = False
        self._count = 0

    def _infer(self, rgb_bchw: Tensor) -> Tensor:
        if len(rgb_bchw) > self.most_frames:
            msg = 'CUDA out of memory'
            raise torch.OutOfMemoryError(msg)
        return infer(rgb_bchw)

    def shape(self, size: tuple[int, int], using: Settings) -> Shape:
        frame = Frame(np.zeros((*size, 3), np.uint8))
        batch = [(frame, POST.geometry(frame, NETWORK_HW, using))]
        return Shape.of(batch, using, NETWORK_HW)

    def submit(self, count: int, size: tuple[int, int], using: Settings) -> None:
        frames = []
        for _ in range(count):
            self._count += 1
            rgb = np.random.default_rng(self._count).integers(0, 256, (*size, 3), np.uint8)
            camera = CameraModel(size[1], size[0], 10.0 + self._count % 2, 10.0, 4.0, 3.0)
            frames.append(Frame(rgb, camera, points=self._count % 3 > 0))
        batch = [(frame, POST.geometry(frame, NETWORK_HW, using)) for frame in frames]
        self.sent.append(Sent(self.pipeline.submit(batch, using, NETWORK_HW), frames, using))

    def fetch(self, index: int) -> None:
        check(self.sent[index])

    def poll(self, index: int) -> None:
        try:
            self.sent[index].pending.result(timeout_s=0)
        except TimeoutError:
            return
        check(self.sent[index])

    def drop(self, index: int) -> None:
        del self.sent[index]

    def close(self) -> None:
        """Close, and let the compute stream use what memory that frees."""
        self.is_closed = True
        self.pipeline.close()
        self.sent.clear()
        with self.runtime.on(self.runtime.compute):
            torch.zeros(1)


def check(sent: Sent) -> None:
    """Compare with what the CPU makes of the same frames, resized by 2 at most."""
    rtol = 1e-4 if sent.settings.refine_edges else 1e-5
    for done, frame in zip(sent.pending.result(), sent.frames, strict=True):
        rgb = torch.from_numpy(frame.rgb_hwc).float()
        rows, columns = (old // new for old, new in zip(rgb.shape, NETWORK_HW, strict=False))
        small = (rgb.reshape(8, rows, 8, columns, 3).mean((1, 3)) + 0.5).floor()
        truth = POST.finish(infer(small.permute(2, 0, 1)[None])[0].numpy(), frame, sent.settings)
        np.testing.assert_allclose(done.depth_hw, truth.depth_hw, rtol=rtol)
        assert (done.points is None) == (truth.points is None)
        if done.points is not None and truth.points is not None:
            np.testing.assert_allclose(done.points, truth.points, rtol=rtol)


def busy_day(bench: Bench) -> None:
    """Meet every wait: new shapes, larger ones, results fetched late, polled for and never."""
    bench.submit(2, SIZES[0], PLAIN)
    bench.fetch(0)
    bench.submit(1, SIZES[0], PLAIN)
    bench.drop(-1)
    for _ in range(4):  # once round the ring: a dropped result, a fetched one, a forgotten one
        bench.submit(1, SIZES[0], PLAIN)
    bench.poll(-1)
    bench.submit(2, SIZES[1], RICH)
    for index in range(len(bench.sent)):
        bench.fetch(index)
    bench.submit(1, SIZES[1], RICH)
    bench.submit(2, SIZES[1], REFINED)
    bench.fetch(-1)
    bench.submit(1, SIZES[0], REFINED)
    bench.close()


def run(order: Order, day: Callable[[Bench], None] = busy_day) -> Order:
    with order.watched():
        day(Bench(order))
    return order


def interrupted_day(bench: Bench) -> None:
    """Go on after an exception, in the same pipeline."""
    with suppress(InterruptError):
        busy_day(bench)
    if not bench.is_closed:
        bench.sent.clear()
        for _ in range(4):
            bench.submit(1, SIZES[0], PLAIN)
        bench.fetch(-1)
        bench.close()


CALLS = run(Order())
SITES = list(CALLS.sites)


def test_every_kind_of_wait_is_met() -> None:
    launch = '_launch < _try < submit'
    assert sorted(SITES) == [
        f'compute waits in {launch}',
        f'download is marked in __init__ < _idle_slot < {launch}',
        f'download waits in {launch}',
        'host asks in wait < result',
        f'host waits in wait < reclaim < _idle_slot < {launch}',
        'host waits in wait < result',
        f'host waits in wait < result < reclaim < _idle_slot < {launch}',
        f'upload is marked in __init__ < _idle_slot < {launch}',
        f'upload waits in __init__ < _idle_slot < {launch}',
    ]


def test_nothing_races_after_an_exception_anywhere() -> None:
    for call in range(1, CALLS.calls + 1):
        run(Order(interrupts_at=call), interrupted_day)


@pytest.mark.parametrize('site', SITES)
def test_no_wait_can_be_left_out(site: str) -> None:
    """Not even that which matters only when something fails half-way."""
    with pytest.raises(RaceError):  # noqa: PT012 - whichever of the runs it is
        run(Order(dropped=site))
        for call in range(1, CALLS.calls + 1):
            run(Order(dropped=site, interrupts_at=call), interrupted_day)


STEPS = st.one_of(
    st.tuples(
        st.just('submit'),
        st.integers(1, 3),
        st.sampled_from(SIZES),
        st.sampled_from(
            [PLAIN, REFINED, RICH, PLAIN.changed(point_color=False, output_size=(5, 7))]
        ),
    ),
    st.tuples(st.sampled_from(['fetch', 'poll', 'drop']), st.integers(0, 9)),
)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), steps=st.lists(STEPS, max_size=14))
def test_nothing_races_whatever_the_order(seed: int, steps: list[tuple[Any, ...]]) -> None:
    order = Order(seed)
    with order.watched():
        bench = Bench(order)
        for name, *values in steps:
            if name == 'submit':
                bench.submit(*values)
            elif bench.sent:
                getattr(bench, name)(values[0] % len(bench.sent))
        bench.close()


def test_memory_of_evicted_plans_and_rays_is_not_used_too_early() -> None:
    order = Order()
    with order.watched():
        bench = Bench(order)
        for side in range(8, 30):
            bench.submit(1, (8, side), PLAIN)
        assert bench.runtime.captured == 22
        bench.submit(1, (8, 29), PLAIN)
        assert bench.runtime.captured == 22
        bench.submit(1, (8, 8), PLAIN)
        assert bench.runtime.captured == 23
        bench.close()


def test_graphs_are_for_powers_of_two_and_all_cameras() -> None:
    counts = [graph_counts(cameras) for cameras in (1, 2, 3, 4, 5, 16)]
    assert counts == [[1], [1, 2], [1, 2, 3], [1, 2, 4], [1, 2, 4, 5], [1, 2, 4, 8, 16]]


def test_graphs_of_all_cameras_are_kept() -> None:
    bench = Bench(Order())
    using = PLAIN.changed(cameras=[f'camera_{index}' for index in range(MAX_CAMERAS)])
    # Those of one size are all there in a batch, or some of them, or they come one by one.
    batches = [(count, (8, 8)) for count in (1, 2, 3, 4, 6, 8, 11, 16)]
    batches += [(1, (8, side)) for side in range(9, 9 + MAX_CAMERAS - 5)]
    for _ in range(2):
        for count, size in batches:
            bench.submit(count, size, using)
    bench.fetch(7)
    assert bench.runtime.captured == MAX_CAMERAS
    bench.close()


FOUR = PLAIN.changed(cameras=['front', 'rear', 'left', 'right'])


def test_prepared_graphs_serve_every_batch_of_the_cameras() -> None:
    order = Order()
    with order.watched():
        bench = Bench(order)
        shape = bench.shape(SIZES[1], FOUR)
        assert not bench.pipeline.is_ready(shape)
        for _ in bench.pipeline.preparation(shape, 4):
            pass
        assert bench.pipeline.is_ready(shape)
        for count in (1, 2, 3, 4, 1, 3):
            bench.submit(count, SIZES[1], FOUR)
            bench.fetch(-1)
        assert bench.runtime.captured == 3
        bench.close()


def test_frames_go_on_between_the_steps_of_a_preparation_in_pieces() -> None:
    """Nothing is captured for them, and nothing races."""
    order = Order()
    with order.watched():
        bench = Bench(order)
        steps = bench.pipeline.preparation(bench.shape(SIZES[1], FOUR), 4)
        for _ in steps:
            if not bench.pipeline.is_ready(bench.shape(SIZES[1], FOUR)):
                continue
            captured, replayed = bench.runtime.captured, bench.runtime.replayed
            for count in (4, 3, 1):
                bench.submit(count, SIZES[1], FOUR)
                bench.fetch(-1)
            # Of one frame each; from when there is a graph for four, one for each batch.
            pieces = 3 if captured > 1 else 8
            assert bench.runtime.replayed - replayed == pieces
            assert bench.runtime.captured == captured
        assert bench.runtime.captured == 3
        bench.close()


def test_where_only_one_frame_fits_a_preparation_ends_with_that() -> None:
    bench = Bench(Order())
    bench.most_frames = 1
    shape = bench.shape(SIZES[0], FOUR)
    for _ in bench.pipeline.preparation(shape, 4):
        pass
    assert bench.pipeline.is_ready(shape)
    bench.submit(4, SIZES[0], FOUR)
    bench.fetch(-1)
    assert (bench.runtime.captured, bench.runtime.released) == (1, 0)
    bench.most_frames = 0
    with pytest.raises(torch.OutOfMemoryError):
        list(bench.pipeline.preparation(bench.shape(SIZES[1], FOUR), 4))
    bench.close()


def test_nothing_races_where_memory_is_short() -> None:
    order = Order()
    with order.watched():
        bench = Bench(order)
        bench.submit(3, SIZES[0], PLAIN)
        bench.most_frames = 1
        bench.submit(3, SIZES[0], PLAIN)  # its graph is there already
        bench.submit(5, SIZES[1], RICH)
        assert bench.runtime.released == 1
        bench.submit(5, SIZES[1], RICH)  # one by one from now on
        assert bench.runtime.released == 1
        for index in range(4):
            bench.fetch(index)
        bench.most_frames = 0
        with pytest.raises(DeviceMemoryError, match='cpu must have enough free memory'):
            bench.submit(1, (8, 9), PLAIN)
        assert bench.runtime.released == 2
        bench.most_frames = 1
        bench.submit(1, SIZES[0], PLAIN)
        bench.fetch(-1)
        bench.close()


def test_the_checker_sees_what_it_is_made_for() -> None:
    order = Order()
    runtime = DoubleRuntime(order)
    event = runtime.event()
    with order.watched():
        with runtime.on(runtime.compute):
            memory = torch.zeros(4)
            event.record(runtime.compute)
        with runtime.on(runtime.upload), pytest.raises(RaceError, match='upload reads memory'):
            memory.sum()
        runtime.upload.wait_event(event)
        with runtime.on(runtime.upload):
            memory.sum()
        with runtime.on(runtime.compute), pytest.raises(RaceError, match='compute writes'):
            memory.fill_(1)
        with pytest.raises(RaceError, match='host writes memory while compute'):
            memory.numpy()
        del memory
        with runtime.on(runtime.compute), pytest.raises(RaceError, match='freed memory'):
            torch.zeros(1)
