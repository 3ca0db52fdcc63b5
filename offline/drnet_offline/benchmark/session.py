"""A whole benchmark: groups of cases, each group measured in turns."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from drnet_offline.benchmark.counting import count
from drnet_offline.benchmark.measurement import Measured, Memory, Ratio, compare, interleave
from drnet_offline.benchmark.preparation import Preparation
from drnet_offline.errors import OfflineError
from drnet_ros.errors import DrnetError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drnet_offline.benchmark.case import BenchmarkCase
    from drnet_offline.benchmark.worker_process import Built

__all__ = ['Outcome', 'Plan', 'measure']

_SMALL_HW = (64, 64)

Group = tuple['BenchmarkCase', ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to measure.

    Attributes:
        runs: Turns of each case.
        seconds: Length of a turn, at least.
        batches: Batch sizes, one after the other.
        memory: Whether to measure the memory of the network and of an image.
        keep: Folder for converted models, to be found again by a later run; None to keep none.
    """

    runs: int
    seconds: float
    batches: tuple[int, ...]
    memory: bool
    keep: Path | None = None


@dataclass(slots=True)
class Outcome:
    """What came out.

    Attributes:
        measured: Figures, by group and batch size.
        ratios: Of the first of each group and size over the others of that size.
        left_out: What could not be measured, and why.
    """

    measured: list[Measured] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def measure(
    groups: Sequence[Group], plan: Plan, on_step: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Measure groups of cases; those of a group run in turns.

    Args:
        groups: Subjects whose engines are not 'auto'.
        plan: How to measure.
        on_step: Told in words what comes next.

    Returns:
        The figures. Where there are several groups, one that cannot run is left out and named.

    Raises:
        DrnetError: The only group cannot run, or none can.
    """
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix='drnet_bench_') as folder:
        preparation = Preparation(plan.keep or Path(folder))
        for group in groups:
            try:
                _measure_group(group, plan, preparation, outcome, on_step)
            except DrnetError as error:  # noqa: PERF203 - minutes each
                if len(groups) == 1:
                    raise
                outcome.left_out.append(f'{_title(group[0])}: {error}')
    if not outcome.measured:
        msg = f'nothing could be measured: {"; ".join(outcome.left_out)}'
        raise OfflineError(msg)
    return outcome


def _measure_group(
    group: Group,
    plan: Plan,
    preparation: Preparation,
    outcome: Outcome,
    on_step: Callable[[str], None],
) -> None:
    at_rest = [_small(case, preparation, plan, on_step) for case in group]
    with ExitStack() as stack:
        processes, built = [], []
        for case in group:
            on_step(f'building {_title(case)}')
            process, network = preparation.open(case)
            processes.append(stack.enter_context(process))
            built.append(network)
        counts = [count(s.work, b.network_hw) for s, b in zip(group, built, strict=True)]
        memory = [_memory(*pair) for pair in zip(at_rest, built, strict=True)]
        facts = list(zip(group, built, counts, memory, strict=True))
        for batch in plan.batches:
            on_step(f'timing {" and ".join(map(_title, group))}, batch {batch}')
            runs = interleave(processes, runs=plan.runs, batch=batch, seconds=plan.seconds)
            rows = [Measured(*fact, run) for fact, run in zip(facts, runs, strict=True)]
            outcome.measured += rows
            first = {row.case.size_hw: row for row in reversed(rows)}
            pairs = ((first[row.case.size_hw], row) for row in rows)
            outcome.ratios += [compare(one, other) for one, other in pairs if one is not other]


def _small(
    case: BenchmarkCase, preparation: Preparation, plan: Plan, on_step: Callable[[str], None]
) -> Built | None:
    """Build the network for a small image, to see what it takes apart from the image."""
    if not plan.memory:
        return None
    on_step(f'memory of {case.work.label}')
    process, built = preparation.open(replace(case, size_hw=_SMALL_HW))
    process.close()
    return built


def _memory(small: Built | None, whole: Built) -> Memory | None:
    if small is None:
        return None
    return Memory(
        net_mb=small.rest_mb - small.libraries_mb,
        image_mb=(whole.peak_mb - whole.libraries_mb) - (small.rest_mb - small.libraries_mb),
    )


def _title(case: BenchmarkCase) -> str:
    work = case.work
    return f'{work.label}, {work.engine} {work.precision}, {"x".join(map(str, case.size_hw))}'
