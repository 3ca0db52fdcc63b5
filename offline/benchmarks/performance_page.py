"""Measures all of docs/performance.md and writes its tables and pictures: `make performance`.

python offline/benchmarks/performance_page.py [--quick] [--only NAME]... [--render]

The figures go to docs/performance/figures.json, which keeps what is not measured again. `--only`
measures one part of node, peers, rside, pixels, engines, guided, sources and robot; `--render`
measures nothing. `--quick` takes a few minutes for a first look and writes to performance_output/
alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from performance_tables import blocks, draw

from drnet_offline.benchmark.machine import look_at_machine

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / 'docs' / 'performance' / 'figures.json'
PAGE = ROOT / 'docs' / 'performance.md'
# What the published preprocessing of Depth Anything V2 makes of 640x480, and of RSIDE's test.
DEPTH_ANYTHING_HW, RSIDE_HW = '518x686', '228x304'
DEFAULT_HW = '288x384'
_SETTLE_S = 3.0
Figures = dict[str, Any]


def commands(*, is_quick: bool) -> dict[str, list[str]]:
    """Return the command of each part; its figures go to '{json}'."""
    python, drnet = sys.executable, str(Path(sys.executable).with_name('drnet'))
    here = 'offline/benchmarks'
    turns = (
        ['--rounds', '1', '--seconds', '2'] if is_quick else ['--rounds', '5', '--seconds', '4']
    )
    runs = ['--runs', '1' if is_quick else '7', '--seconds', '0.5' if is_quick else '1']
    bench = [drnet, 'bench', '--no-memory', '--json', '{json}', *runs]
    node = [python, f'{here}/node_benchmark.py', *turns, '--json', '{json}']
    peer = ['--versus', 'depth_anything_v2_small']
    rside = ['--backbone', 'resnet50', '--versus', 'rside', '--versus-engine', 'torch']
    pixels = '192x256,288x384,384x512,480x640,720x960'
    frames = '8' if is_quick else '64'
    return {
        'node': [*node, 'default', 'threads', 'growth', 'start'],
        'peers': [*bench, *peer, '--sizes', f'{DEFAULT_HW},{DEPTH_ANYTHING_HW}'],
        'rside': [*bench, *rside, '--sizes', f'{DEFAULT_HW},{RSIDE_HW}'],
        'pixels': [*bench, '--sizes', pixels],
        'engines': [
            *(*bench, '--size', DEFAULT_HW, '--precision', 'bf16', '--precision', 'fp32'),
            *('--versus', 'drnet', '--versus-engine', 'onnxruntime'),
            *('--versus-precision', 'fp32'),
        ],
        'guided': [
            *(*bench, '--size', DEFAULT_HW, '--backbone', 'efficientnet_lite2'),
            *('--guided-filter', '--versus', 'bilinear'),
        ],
        'sources': [
            *(python, f'{here}/sparse_depth_cost.py', '--frames', frames, '--json', '{json}')
        ],
        'robot': [*node, 'sources'],
    }


def measure(command: list[str]) -> Figures:
    """Run a command and return the figures that it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'figures.json')
        words = [str(path) if word == '{json}' else word for word in command]
        time.sleep(_SETTLE_S)  # what measured the part before it may still be ending
        busy = look_at_machine().busy
        subprocess.run(words, cwd=ROOT, check=True)  # noqa: S603 - our own programs, no shell
        figures: Figures = json.loads(path.read_text('utf-8'))
    day = datetime.now(tz=timezone.utc).date().isoformat()
    return {'day': day, 'busy': round(busy, 2), 'command': shown(command), **kept(figures)}


def shown(command: list[str]) -> str:
    """Return a command as a user types it."""
    words = [Path(command[0]).name.replace('python3', 'python'), *command[1:]]
    return ' '.join(words).replace('{json}', 'figures.json')


def kept(figures: Figures) -> Figures:
    """Leave out what the page does not show: each turn of each network."""
    if 'results' not in figures:
        return figures
    names = (
        *('network', 'backbone', 'guided_filter', 'engine', 'precision', 'size'),
        *('fps', 'fps_min', 'fps_max'),
        *('latency_ms_p50', 'latency_ms_p95', 'rss_mb', 'fps_runs'),
    )
    rows = [{name: row[name] for name in names} for row in figures['results']]
    return {'results': rows, 'machine': figures['machine']}


def ratio(figures: Figures, one: tuple[str, str], other: tuple[str, str]) -> dict[str, float]:
    """Return how many times as fast a network is as another, turn by turn.

    Args:
        figures: Of `drnet bench`, whose networks took turns.
        one: Network and size of the image.
        other: The other's.

    Returns:
        median, min and max.
    """
    rates = {(row['network'], row['size']): row['fps_runs'] for row in figures['results']}
    turns = [a / b for a, b in zip(rates[one], rates[other], strict=True)]
    return {'median': median(turns), 'min': min(turns), 'max': max(turns)}


def write_page(figures: Figures, page: Path, pictures: Path) -> None:
    """Write the tables into a page, and the pictures beside it.

    Args:
        figures: All figures.
        page: A page with a pair of marks for each table.
        pictures: Folder of the pictures.
    """
    text = page.read_text('utf-8')
    page.write_text(with_blocks(text, blocks(figures, ratios(figures))), 'utf-8')
    draw(figures, pictures)


def ratios(figures: Figures) -> dict[str, dict[str, float]]:
    """Return the ratios of the page, for the parts that are measured."""
    found = {}
    if peers := figures.get('peers'):
        ours, name = ('drnet', DEFAULT_HW), 'depth_anything_v2_small'
        found['defaults'] = ratio(peers, ours, (name, DEPTH_ANYTHING_HW))
        found['pixels'] = ratio(peers, ours, (name, DEFAULT_HW))
    if rside := figures.get('rside'):
        ours = 'drnet', DEFAULT_HW
        found['rside_defaults'] = ratio(rside, ours, ('rside', RSIDE_HW))
        found['rside_pixels'] = ratio(rside, ours, ('rside', DEFAULT_HW))
    return found


def with_blocks(text: str, tables: dict[str, str]) -> str:
    """Put tables between their marks, `<!-- NAME -->` and `<!-- end -->`.

    Raises:
        ValueError: A mark is missing.
    """
    for name, table in tables.items():
        before, mark, rest = text.partition(f'<!-- {name} -->\n')
        _, end, after = rest.partition('<!-- end -->')
        if not mark or not end:
            msg = f'the page must have <!-- {name} --> and <!-- end -->, got neither or one'
            raise ValueError(msg)
        text = f'{before}{mark}{table}{end}{after}'
    return text


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='short turns, for a first look')
    parser.add_argument('--only', action='append', choices=list(commands(is_quick=True)))
    parser.add_argument('--render', action='store_true', help='measure nothing')
    options = parser.parse_args()
    figures: Figures = json.loads(FIGURES.read_text('utf-8')) if FIGURES.is_file() else {}
    if not options.render:
        for name, command in commands(is_quick=options.quick).items():
            if not options.only or name in options.only:
                figures[name] = measure(command)
    home = ROOT / 'performance_output' if options.quick else FIGURES.parent
    home.mkdir(exist_ok=True)
    page = home / 'performance.md' if options.quick else PAGE
    if options.quick:
        page.write_text(PAGE.read_text('utf-8'), 'utf-8')
    (home / 'figures.json').write_text(json.dumps(figures, indent=1) + '\n', 'utf-8')
    write_page(figures, page, home)
    print(f'written {page}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
