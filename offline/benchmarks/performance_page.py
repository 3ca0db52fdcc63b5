"""Measures all of docs/performance.md and writes its tables and pictures: `make performance`.

python offline/benchmarks/performance_page.py [--quick] [--only NAME]... [--render]

The figures go to docs/performance/figures/, to a file for each kind of processor, which keeps what
is not measured again. The page shows the kind `SHOWN`, and all kinds in its last table.
`--only` measures one part of node, peers, rside, pixels, engines, guided, sources and robot;
`--render` measures nothing. `--quick` takes a few minutes for a first look and writes a page of
this machine alone to performance_output/.
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
from typing import TYPE_CHECKING, Any

from performance_tables import blocks, draw, processors

from drnet_offline.benchmark.machine import look_at_machine

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / 'docs' / 'performance' / 'figures'
PAGE = ROOT / 'docs' / 'performance.md'
SHOWN = 'amx_bf16'
# Those that change most what a network costs, the best first.
_KINDS = (SHOWN, 'avx512_bf16', 'avx512_vnni', 'avx512f', 'avx2')
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


def write_page(figures_of: dict[str, Figures], page: Path, pictures: Path) -> None:
    """Write the tables into a page, and the pictures beside it.

    Args:
        figures_of: All figures, by the kind of processor; the first are shown in full.
        page: A page with a pair of marks for each table.
        pictures: Folder of the pictures.
    """
    page.write_text(with_blocks(page.read_text('utf-8'), tables_of(figures_of)), 'utf-8')
    draw(next(iter(figures_of.values())), pictures)


def tables_of(figures_of: dict[str, Figures]) -> dict[str, str]:
    """Return the tables of the page by their names.

    Args:
        figures_of: All figures, by the kind of processor; the first are shown in full.
    """
    first = next(iter(figures_of.values()))
    every = {kind: (figures, ratios(figures)) for kind, figures in figures_of.items()}
    return blocks(first, ratios(first)) | {'processors': processors(every)}


def read_figures(folder: Path) -> dict[str, Figures]:
    """Return the figures of each kind of processor, `SHOWN` first."""
    found = {path.stem: json.loads(path.read_text('utf-8')) for path in folder.glob('*.json')}
    return {kind: found[kind] for kind in (*_KINDS, 'other') if kind in found}


def kind_of(arithmetic: Sequence[str]) -> str:
    """Return the kind of a processor with these extensions."""
    return next((kind for kind in _KINDS if kind in arithmetic), 'other')


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


def measure_all(chosen: dict[str, list[str]], path: Path) -> list[str]:
    """Measure parts one after the other; each is kept at once, and one that fails costs no other.

    Args:
        chosen: Command of each part.
        path: JSON file of the figures; those of other parts stay.

    Returns:
        Which parts failed.
    """
    figures: Figures = json.loads(path.read_text('utf-8')) if path.is_file() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    failed = []
    for name, command in chosen.items():
        try:
            figures[name] = measure(command)
        except subprocess.CalledProcessError as error:
            failed.append(name)
            print(f'{name} failed with exit code {error.returncode}', file=sys.stderr)
            continue
        path.write_text(json.dumps(figures, indent=1) + '\n', 'utf-8')
    return failed


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='short turns, for a first look')
    parser.add_argument('--only', action='append', choices=list(commands(is_quick=True)))
    parser.add_argument('--render', action='store_true', help='measure nothing')
    options = parser.parse_args()
    home = ROOT / 'performance_output' if options.quick else FIGURES.parent
    page = home / 'performance.md' if options.quick else PAGE
    failed = []
    if not options.render:
        kind = kind_of(look_at_machine().arithmetic)
        every = commands(is_quick=options.quick)
        chosen = {name: every[name] for name in every if name in (options.only or every)}
        failed = measure_all(chosen, home / 'figures' / f'{kind}.json')
    if options.quick:
        page.write_text(PAGE.read_text('utf-8'), 'utf-8')
    if figures_of := read_figures(home / 'figures'):
        write_page(figures_of, page, home)
        print(f'written {page}')
    if failed:
        print(f'not measured: {", ".join(failed)}', file=sys.stderr)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
