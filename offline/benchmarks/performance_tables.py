"""The tables and pictures of docs/performance.md, from measured figures."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from drnet_ros.network.metadata import read_metadata
from drnet_ros.weights import EMBEDDED, resolve_weights

__all__ = ['blocks', 'draw', 'processors']

Figures = dict[str, Any]
_QUIET = 0.1  # share of the cores that other programs take before a measurement
# On NYU Depth v2, 654 test images. Hu et al., WACV 2019, Table 1, ResNet-50; Yang et al., NeurIPS
# 2024, the table of models fine-tuned for metric depth on NYU, ViT-S.
_PUBLISHED = {'rside': (0.126, 0.843), 'depth_anything_v2_small': (0.073, 0.961)}


def blocks(figures: Figures, ratios: dict[str, dict[str, float]]) -> dict[str, str]:
    """Return the tables of the page by their names, of the parts that are measured.

    Args:
        figures: What was measured.
        ratios: What `performance_page.ratios` makes of it.
    """
    tables = {}
    if node := figures.get('node'):
        tables['node'] = _node(node)
    if figures.get('peers') and figures.get('rside'):
        tables['peers'] = _peers(figures, ratios)
    if node and figures.get('engines') and figures.get('guided'):
        tables['engines'] = _engines(figures)
    if node and figures.get('pixels') and figures.get('sources'):
        tables['growth'] = _growth(figures)
    if robot := figures.get('robot'):
        tables['robot'] = _robot(robot)
    return tables


def _conditions(part: Figures) -> str:
    state = 'a loaded machine' if part['busy'] > _QUIET else 'a quiet machine'
    return f'Measured on {part["day"]} on {state} (others took {part["busy"]:.0%} of it): '


def _node(node: Figures) -> str:
    default = node['default']
    fps, latency = default['fps'], default['latency_ms']
    start = node['start']['first_depth_s']
    rows = [
        ('frames/s, as many images as the node takes', _range(fps, 1)),
        ('share of the frames/s of the network alone', _range(default['share_of_bare'], 2)),
        ('CPU cores that the node takes meanwhile', _range(default['cores'], 2)),
        ('latency p50 / p95, camera of 30 Hz', f'{latency["p50"]} / {latency["p95"]} ms'),
        ('missed frames', f'{default["missed_frames"]} of {default["sent_frames"]}'),
        (
            'jitter, mean / greatest',
            f'{default["mean_jitter_ms"]} / {default["max_jitter_ms"]} ms',
        ),
        ('start of the process to the first depth', f'{_range(start, 2)} s'),
        ('resident memory', f'{default["rss_mb"]} MB'),
    ]
    lines = ['| what | measured |', '|---|---:|', *(f'| {a} | {b} |' for a, b in rows)]
    return _finished(lines, node)


def _peers(figures: Figures, ratios: dict[str, dict[str, float]]) -> str:
    own = read_metadata(resolve_weights(EMBEDDED)).metrics
    lines = [
        '| network | REL | delta1 | ours is faster, each at its default | at equal pixels |',
        '|---|---:|---:|---:|---:|',
        f'| embedded DRNet | {own["rel"]:.3f} | {own["delta1"]:.3f} | | |',
    ]
    for title, name, of in (
        ('Depth Anything V2 Small', 'depth_anything_v2_small', ''),
        ('RSIDE ResNet-50, eager PyTorch, against DRNet ResNet-50', 'rside', 'rside_'),
    ):
        rel, delta1 = _PUBLISHED[name]
        times = [_range(ratios[of + key], 1) for key in ('defaults', 'pixels')]
        lines.append(
            f'| {title} | {rel} (published) | {delta1} (published) | {" | ".join(times)} |'
        )
    return _finished(lines, figures['peers'], figures['rside'])


def _engines(figures: Figures) -> str:
    engines, guided = figures['engines'], figures['guided']
    best = engines['results'][0]
    lines = ['| engine | ms per image | times the first |', '|---|---:|---:|']
    lines += [_engine(row, best, f'`{row["engine"]}`, {row["precision"]}')
              for row in _once(engines['results'])]  # fmt: skip
    with_filter, without = guided['results'][:2]
    lines.append(_engine(with_filter, without, 'guided filter, against the same without it'))
    lines += [
        '',
        '| threads | frames/s of the node | CPU time of a frame [ms] | latency p50 | p95 |',
    ]
    lines.append('|---:|---:|---:|---:|---:|')
    for count, of in figures['node']['threads'].items():
        waits = [f'{of[name]["median"]:.0f} ms' for name in ('p50', 'p95')]
        rates = [_range(of[name], 1) for name in ('fps', 'cpu_ms')]
        lines.append(f'| {count} | {" | ".join(rates)} | {" | ".join(waits)} |')
    return _finished(lines, engines, guided)


def _once(rows: list[Figures]) -> list[Figures]:
    """Return the first row of each engine and precision."""
    return list({(row['engine'], row['precision']): row for row in rows[::-1]}.values())[::-1]


def _engine(row: Figures, base: Figures, name: str) -> str:
    return f'| {name} | {row["latency_ms_p50"]:.1f} | {_turns(base, row)} |'


def _growth(figures: Figures) -> str:
    rows = [
        f'| network of {row["size"]} | {row["latency_ms_p50"]:.1f} ms per image |'
        for row in figures['pixels']['results']
    ]
    for count, fps in figures['node']['growth']['fps_total'].items():
        noun = 'camera' if count == '1' else 'cameras'
        rows.append(f'| {count} {noun} | {_range(fps, 1)} frames/s in all |')
    sources = figures['sources']
    for name, ms in sources['median_ms'].items():
        in_a_row = sources['in_a_row_ms'].get(name)
        more = '' if in_a_row is None else f'; {in_a_row:.2f} ms in a row'
        rows.append(f'| {name} | {ms:.2f} ms of CPU time{more} |')
    lines = ['| what | cost |', '|---|---:|', *rows]
    picture = '\n![Cost against pixels, cameras and sources](performance/cost.png)\n'
    return _finished(lines, figures['pixels'], figures['sources']) + picture


def _robot(robot: Figures) -> str:
    camera = f'camera of {robot["sources"]["rate_hz"]:.0f} Hz'
    heads = (
        'source',
        'frames/s',
        'of those without',
        f'latency p50 / p95, {camera}',
        'missed frames',
    )
    lines = [f'| {" | ".join(heads)} |', '|---|---:|---:|---:|---:|']
    for name, row in robot['sources']['of'].items():
        ratio = _range(row['ratio'], 2) if row['points'] else ''
        latency = f'{row["latency_ms"]["p50"]} / {row["latency_ms"]["p95"]} ms'
        missed = f'{row["missed_frames"]} of {row["sent_frames"]}'
        lines.append(f'| {name} | {_range(row["fps"], 1)} | {ratio} | {latency} | {missed} |')
    return _finished(lines, robot)


def processors(every: dict[str, tuple[Figures, dict[str, dict[str, float]]]]) -> str:
    """Return the table of the main figures on each kind of processor.

    Args:
        every: Figures and ratios, by the kind, such as 'avx2'.
    """
    columns = [_column(figures, ratios) for figures, ratios in every.values()]
    names = [_processor(kind, figures) for kind, (figures, _) in every.items()]
    lines = [f'| two cores of | {" | ".join(names)} |', f'|---|{"---:|" * len(names)}']
    lines += [
        f'| {name} | {" | ".join(column.get(name, "") for column in columns)} |'
        for name in dict.fromkeys(name for column in columns for name in column)
    ]
    return '\n'.join([*lines, ''])


def _processor(kind: str, figures: Figures) -> str:
    cpu = figures.get('pixels', {}).get('machine', {}).get('cpu', 'a processor')
    best = kind if kind == 'other' else kind.upper().replace('_', '-')
    return f'{cpu}, {best}'


def _column(figures: Figures, ratios: dict[str, dict[str, float]]) -> dict[str, str]:
    column = {}
    if node := figures.get('node'):
        default = node['default']
        column['frames/s of the node'] = _range(default['fps'], 1)
        column['share of the network alone'] = _range(default['share_of_bare'], 2)
        column['CPU cores of the node'] = _range(default['cores'], 2)
    if engines := figures.get('engines'):
        for row in _once(engines['results']):
            column[f'`{row["engine"]}`, {row["precision"]}'] = f'{row["latency_ms_p50"]:.1f} ms'
    if guided := figures.get('guided'):
        filtered, without = guided['results'][:2]
        column['guided filter, against the same without it'] = _turns(without, filtered)
    for title, name in (
        ('faster than Depth Anything V2 Small, each at its default', 'defaults'),
        ('the same, at equal pixels', 'pixels'),
        ('faster than RSIDE, each at its default', 'rside_defaults'),
        ('the same, at equal pixels of RSIDE', 'rside_pixels'),
    ):
        if name in ratios:
            column[title] = _range(ratios[name], 1)
    for name, row in figures.get('robot', {}).get('sources', {}).get('of', {}).items():
        if row['points']:
            column[f'frames/s with {name}, of those without'] = _range(row['ratio'], 2)
    return column


def _turns(base: Figures, row: Figures) -> str:
    """Return how many times the time of another a network takes, turn by turn."""
    turns = [b / a for a, b in zip(row['fps_runs'], base['fps_runs'], strict=True)]
    return f'{median(turns):.2f} ({min(turns):.2f} to {max(turns):.2f})'


def _finished(lines: list[str], *parts: Figures) -> str:
    sources = [f'{_conditions(part)}`{part["command"]}`' for part in parts]
    return '\n'.join([*lines, '', '  \n'.join(sources), ''])


def _range(values: dict[str, float], digits: int) -> str:
    least, most = (f'{values[key]:.{digits}f}' for key in ('min', 'max'))
    return f'{values["median"]:.{digits}f} ({least} to {most})'


def draw(figures: Figures, folder: Path) -> None:
    """Draw how cost grows with pixels, cameras and sources.

    Args:
        figures: What was measured.
        folder: Where cost.png goes; nothing is drawn before all three are measured.
    """
    if not all(figures.get(name) for name in ('node', 'pixels', 'sources')):
        return
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes a second

    figure = Figure(figsize=(12, 3.6), layout='constrained')
    pixels, cameras, sources = figure.subplots(1, 3)
    rows = figures['pixels']['results']
    areas = [_area(row['size']) / 1e3 for row in rows]
    pixels.plot(areas, [row['latency_ms_p50'] for row in rows], marker='o')
    pixels.set(xlabel='pixels of the network, thousands', ylabel='ms per image', ylim=(0, None))
    totals = figures['node']['growth']['fps_total']
    cameras.bar(list(totals), [fps['median'] for fps in totals.values()])
    cameras.set(xlabel='cameras', ylabel='frames/s of all')
    parts = figures['sources']['median_ms']
    names = [name.partition(',')[0].partition(':')[0] for name in parts]
    sources.barh(names[::-1], list(parts.values())[::-1])
    sources.set(xlabel='ms of CPU time per frame')
    figure.savefig(folder / 'cost.png', dpi=100)


def _area(size: str) -> int:
    height, width = map(int, size.split('x'))
    return height * width
