"""A device that is not there: it computes on the CPU at once, and proves who waited for whom.

On a GPU, streams and host run at the same time, and only events order them. Here each keeps a
vector clock: an operation happens after another one only if stream order, launch order (the host
before what it launches) or a wait says so. Every operation of PyTorch is seen, with the memory it
reads and writes; two that touch the same memory, one of them writing, must be ordered, or there
are timings on a GPU at which they run at once. So one run stands for all timings.

Memory is what PyTorch's allocators make of it: new device memory may be memory that earlier work
of the stream it is allocated on still uses; when it is let go, it is free for later work of that
stream, unless `mark` says who else uses it. Pinned memory waits for its copies by itself.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

HOST = 'host'
Clock = dict[str, int]


class RaceError(AssertionError):
    """Two operations on the same memory that nothing orders."""


class InterruptError(Exception):
    """An exception in the middle of the pipeline."""


def _joined(*clocks: Clock) -> Clock:
    names = {name for clock in clocks for name in clock}
    return {name: max(clock.get(name, 0) for clock in clocks) for name in names}


@dataclass
class _Memory:
    """Who touched a piece of memory when."""

    storage: Any
    owner: str
    is_pinned: bool = False
    reads: Clock = field(default_factory=dict)
    writes: Clock = field(default_factory=dict)
    marked: set[str] = field(default_factory=set)

    @property
    def is_freed(self) -> bool:
        return bool(self.storage.expired())


class Stream:
    """A stream of the double."""

    def __init__(self, order: Order, name: str) -> None:
        self._order = order
        self.name = name

    def wait_event(self, event: Event) -> None:
        if self._order.waits(f'{self.name} waits'):
            self._order.join(self.name, event.clock)


class Event:
    """An event of the double; before it is recorded, it holds nobody up."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self.clock: Clock = {}

    def record(self, stream: Stream) -> None:
        self._order.step(HOST)
        self.clock = dict(self._order.step(stream.name))

    def query(self) -> bool:
        order = self._order
        if not order.waits('host asks'):
            return True
        is_known = all(order.clocks[HOST].get(name, 0) >= at for name, at in self.clock.items())
        if not is_known and order.random.random() < 0.5:
            return False
        order.join(HOST, self.clock)
        return True

    def synchronize(self) -> None:
        if self._order.waits('host waits'):
            self._order.join(HOST, self.clock)


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, order: Order) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._order = order

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self._order.operation(func, args, kwargs or {}, result)
        return result


class _HostViews(TorchFunctionMode):
    """Sees where the host takes memory as an array, which is no operation of PyTorch's."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        self._order = order

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.numpy:
            self._order.step(HOST)
            self._order.touch(self._order.memory_of(args[0]), HOST, writes=True)
        return func(*args, **(kwargs or {}))


class Order:
    """Clocks, memory, and what is left out on purpose.

    Attributes:
        sites: Every place in the pipeline that waits or marks, in the order they were met.
        dropped: The one whose waits do nothing.
        interrupts_at: At which call of the runtime an `InterruptError` is raised.
    """

    def __init__(
        self, seed: int = 0, dropped: str | None = None, interrupts_at: int | None = None
    ) -> None:
        self.random = random.Random(seed)  # noqa: S311 - timings, no secrets
        self.dropped = dropped
        self.interrupts_at = interrupts_at
        self.calls = 0
        self.sites: dict[str, None] = {}
        self.clocks: dict[str, Clock] = {HOST: {}}
        self.current = HOST
        self._memory: dict[int, _Memory] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """See every operation."""
        with ExitStack() as stack:
            stack.enter_context(_HostViews(self))
            stack.enter_context(_Operations(self))
            yield

    def call(self) -> None:
        """Count a call of the runtime, where an exception may be wanted."""
        self.calls += 1
        if self.calls == self.interrupts_at:
            raise InterruptError

    def waits(self, what: str) -> bool:
        """Note a place that waits; returns whether it shall."""
        self.call()
        frame: Any = sys._getframe(1)
        chain = []
        while frame is not None:
            code = frame.f_code
            # Comprehensions are functions before Python 3.12.
            if '/drnet_ros/inference/engines/cuda/' in code.co_filename and code.co_name[0] != '<':
                chain.append(code.co_name)
            frame = frame.f_back
        site = f'{what} in {" < ".join(chain)}'
        self.sites[site] = None
        return site != self.dropped

    def step(self, agent: str) -> Clock:
        """Let an agent do one thing; a stream does so after the host launched it."""
        clock = _joined(self.clocks.setdefault(agent, {}), self.clocks[HOST])
        clock[agent] = clock.get(agent, 0) + 1
        self.clocks[agent] = clock
        return clock

    def join(self, agent: str, clock: Clock) -> None:
        """Let what an agent does next happen after something else."""
        self.clocks[agent] = _joined(self.clocks.setdefault(agent, {}), clock)

    def memory_of(self, tensor: Tensor, *, is_new: bool = False) -> _Memory:
        """Return what is known of a tensor's memory."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        known = self._memory.get(key)
        if known is None or known.is_freed:
            weak: Any = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
            known = _Memory(weak, self.current)
            self._memory[key] = known
            if is_new and self.current != HOST:
                known.writes[self.current] = self.clocks[self.current][self.current]
        return known

    def operation(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        """Note one operation of PyTorch."""
        self.forget_freed()
        if self.current != HOST:
            self.step(HOST)
        self.step(self.current)
        for index, argument in enumerate(func._schema.arguments):
            value = args[index] if index < len(args) else kwargs.get(argument.name)
            is_written = argument.alias_info is not None and argument.alias_info.is_write
            for tensor in tree_leaves(value):
                if isinstance(tensor, Tensor):
                    self.touch(self.memory_of(tensor), self.current, writes=is_written)
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self.memory_of(tensor, is_new=True)

    def touch(self, memory: _Memory, agent: str, *, writes: bool) -> None:
        """Note that an agent reads or writes memory; it must come after those before."""
        clock = self.clocks[agent]
        before = [memory.writes, memory.reads] if writes else [memory.writes]
        for accesses in before:
            self._check(clock, accesses, f'{agent} {"writes" if writes else "reads"} memory')
        (memory.writes if writes else memory.reads)[agent] = clock.get(agent, 0)

    def forget_freed(self) -> None:
        """Check memory that was let go: who else may still use it, when it is used anew?"""
        freed = [key for key, memory in self._memory.items() if memory.is_freed]
        for key in freed:
            memory = self._memory.pop(key)
            if memory.owner == HOST or memory.is_pinned:
                continue
            clock = _joined(self.clocks[memory.owner], self.clocks[HOST])
            for accesses in (memory.reads, memory.writes):
                others = {name: at for name, at in accesses.items() if name not in memory.marked}
                self._check(clock, others, f'{memory.owner} uses freed memory anew')

    @staticmethod
    def _check(clock: Clock, accesses: Clock, what: str) -> None:
        for name, at in accesses.items():
            if clock.get(name, 0) < at:
                msg = f'{what} while {name} may still use it'
                raise RaceError(msg)


class DoubleRuntime:
    """The pipeline's runtime, on the CPU.

    Attributes:
        captured: How many graphs were captured.
        replayed: How many graphs were launched.
        released: How often cached memory was given back.
        error: Raised by graphs in place of work.
        is_lost: Whether nothing works any more.
    """

    def __init__(self, order: Order | None = None) -> None:
        self.order = Order() if order is None else order
        self.device = torch.device('cpu')
        self.upload, self.compute, self.download = (
            Stream(self.order, name) for name in ('upload', 'compute', 'download')
        )
        self.captured = 0
        self.released = 0
        self.replayed = 0
        self.error: RuntimeError | None = None
        self.is_lost = False

    @contextmanager
    def on(self, stream: Stream) -> Iterator[None]:
        self.order.call()
        before, self.order.current = self.order.current, stream.name
        try:
            yield
        finally:
            self.order.current = before

    def event(self) -> Event:
        self.order.call()
        return Event(self.order)

    def pinned(self, count: int, dtype: torch.dtype) -> Tensor:
        self.order.call()
        before, self.order.current = self.order.current, HOST
        memory = torch.zeros(count, dtype=dtype)
        self.order.memory_of(memory).is_pinned = True
        self.order.current = before
        return memory

    def mark(self, tensor: Tensor, stream: Stream) -> None:
        if self.order.waits(f'{stream.name} is marked'):
            self.order.memory_of(tensor).marked.add(stream.name)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        self.order.call()
        self.captured += 1

        def replay() -> None:
            self.replayed += 1
            if self.error is not None:
                raise self.error
            work()

        return replay

    def release(self) -> None:
        self.order.call()
        self.released += 1

    def is_alive(self) -> bool:
        return not self.is_lost
