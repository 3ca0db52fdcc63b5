"""What came out, as tables for a terminal; they are Markdown, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from drnet_offline.benchmark.paper import paper_row

if TYPE_CHECKING:
    from drnet_offline.benchmark.measurement import Measured
    from drnet_offline.benchmark.session import Outcome

__all__ = ['figures_table', 'ratios_table']


def figures_table(outcome: Outcome) -> Table:
    """Return the columns of the paper's Table III and what belongs to them, a row a case."""
    table = Table(box=box.MARKDOWN)
    table.add_column('network')
    for name in ('engine', 'size'):
        table.add_column(name)
    numbers = ('params', 'MACs', 'fps, batch 1', 'p50 / p95 ms', 'fps, best batch')
    for name in (*numbers, 'RSS MB', 'net MB', 'MB / image', 'paper: fps, best'):
        table.add_column(name, justify='right')
    for rows in _by_subject(outcome).values():
        table.add_row(*_cells(rows))
    return table


def _by_subject(outcome: Outcome) -> dict[object, list[Measured]]:
    cases: dict[object, list[Measured]] = {}
    for row in outcome.measured:
        # A case of several groups, as RSIDE beside several of ours, has a row in each.
        cases.setdefault((id(row.built), row.case), []).append(row)
    return cases


def _cells(rows: list[Measured]) -> list[str]:
    """Return the cells of a case from its rows, one for each batch size, the first the main."""
    row, best = rows[0], max(rows, key=lambda measured: measured.fps)
    paper = paper_row(row.case.work)
    memory = row.memory
    size = row.built.network_size
    return [
        row.case.work.label,
        f'{row.built.engine} {row.built.precision}',
        size,
        f'{row.count.params / 1e6:.2f} M',
        f'{row.count.macs / 1e9:.2f} G',
        _fps(row) + ('' if row.batch == 1 else f' (batch {row.batch})'),
        f'{_plain(row.latency_ms(50))} / {_plain(row.latency_ms(95))}',
        f'{_plain(best.fps)} ({best.batch})' if len(rows) > 1 else '',
        f'{row.rss_mb:.0f}',
        f'{memory.net_mb:.0f}' if memory else '',
        f'{memory.image_mb:.0f}' if memory else '',
        f'{paper.fps:g}, {paper.best_fps:g} ({paper.best_batch})' if paper else '',
    ]


def ratios_table(outcome: Outcome) -> Table:
    """Return how much faster the first of each group is, a row for each other one."""
    table = Table(box=box.MARKDOWN)
    for name in ('network', 'against', 'size'):
        table.add_column(name)
    for name in ('times as fast', 'turns', 'best turns'):
        table.add_column(name, justify='right')
    for ratio in outcome.ratios:
        record = ratio.to_dict()
        batch = '' if record['batch'] == 1 else f', batch {record["batch"]}'
        spread = f'{_plain(record["ratio_min"])} .. {_plain(record["ratio_max"])}'
        size = f'{record["size"]}{batch}'
        values = _plain(ratio.value), spread, _plain(ratio.of_best)
        table.add_row(record['of'], record['over'], size, *values)
    return table


def _fps(row: Measured) -> str:
    slowest, fastest = map(_plain, row.fps_range)
    return f'{_plain(row.fps)} ({slowest} .. {fastest})'


def _plain(number: float) -> str:
    """Return three digits that matter, and no exponent."""
    digits = 0 if number >= 100 else 1 if number >= 10 else 2 if number >= 1 else 3
    return f'{number:.{digits}f}'
