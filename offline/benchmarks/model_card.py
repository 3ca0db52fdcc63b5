"""Measures weights on every source that they have not seen, for the tables of the model card.

    .venv/bin/python offline/benchmarks/model_card.py [--weights FILE ...] [--write]

Scores the validation images of the preset `lite2_interiors` (of NYU Depth v2 and of the rendered
worlds those blocks that training never saw, and the sources that are held out whole) and every
fifth frame of tum_fr1_rpy, all below --data, with the estimator of the node. What is not there is
named. Prints Markdown tables, one column group for each file; with --write, those of the
first file go into drnet_ros/weights/README.md.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from page_tables import markdown, write_between_markers
from rich.progress import track

from drnet_offline.datasets.opening import open_dataset
from drnet_offline.evaluation.edges import EdgeMetrics
from drnet_offline.evaluation.metrics import DepthMetrics
from drnet_offline.evaluation.protocols import PROTOCOLS
from drnet_offline.evaluation.ranges import RANGES_M, RangeMetrics
from drnet_offline.evaluation.scale import ScaleMetrics
from drnet_offline.evaluation.scoring import evaluate
from drnet_offline.training.preset_reader import load_config
from drnet_ros.inference import DepthEstimator, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthDataset, DepthSample

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / 'shared' / 'data'
CARD = ROOT / 'drnet_ros' / 'weights' / 'README.md'
NYU, TUM = 'nyu_v2_train795', 'tum_fr1_rpy'
RENDERED = ('small-house', 'rooms')
HEIGHTS_M = {'below 0.5 m': (0.0, 0.5), '0.5 to 1 m': (0.5, 1.0), 'above 1 m': (1.0, 9.0)}
EVERY = 5
# A few rendered pixels are millimetres away.
FULL = replace(PROTOCOLS['full'], name='full from 0.1 m', min_depth_m=0.1)


class Thinned:
    """Every EVERYth image of a data set."""

    def __init__(self, dataset: DepthDataset) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        """Return how many are left."""
        return (len(self._dataset) + EVERY - 1) // EVERY

    def __getitem__(self, index: int) -> DepthSample:
        """Read one."""
        return self._dataset[index * EVERY]


@dataclass
class Score:
    """What one file of weights scores."""

    sources: dict[str, tuple[dict[str, float], dict[str, float], float]] = field(
        default_factory=dict
    )
    ranges: RangeMetrics = field(default_factory=lambda: RangeMetrics(FULL))
    heights: dict[str, DepthMetrics] = field(
        default_factory=lambda: {name: DepthMetrics(FULL) for name in HEIGHTS_M}
    )
    edges: EdgeMetrics = field(default_factory=EdgeMetrics)


def main() -> None:
    """Score, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--weights', nargs='+', default=['embedded'])
    parser.add_argument('--write', action='store_true', help='write the tables into the card')
    parser.add_argument('--data', type=Path, default=DATA, help='folder of the sources')
    options = parser.parse_args()
    if not (options.data / TUM).is_dir():
        sys.exit(f'the data of the card must be in {options.data}')
    texts: dict[str, str] = {}
    for weights in options.weights:
        tables = tabulate(score(weights, options.data))
        print(f'# {weights}', *tables.values(), sep='\n\n', end='\n\n', flush=True)
        texts = texts or tables
    if options.write:
        write_between_markers(CARD, texts)


def list_sources(data: Path) -> Iterator[tuple[str, DepthDataset, Path]]:
    """Yield name, images and folder of all that is scored."""
    for source in load_config('lite2_interiors').data.sources:
        path = data / source.path
        if not path.is_dir():
            print(f'{path} is not there', file=sys.stderr)
        elif source.held_out:
            yield path.name, open_dataset(path), path
        elif source.validation_blocks:
            blocks = source.validation_blocks
            yield path.name, open_dataset(path, part='val', validation_blocks=blocks), path
    yield TUM, Thinned(open_dataset(data / TUM)), data / TUM


def score(weights: str, data: Path) -> Score:
    """Score one file of weights on everything."""
    found = Score()
    settings = Settings(weights=weights, min_depth=0.001, max_depth=80.0, points=False)
    with DepthEstimator(settings) as estimator:
        for name, dataset, path in track(list(list_sources(data)), str(weights)):
            score_source(found, estimator, name, dataset, read_heights(path))
    return found


def score_source(
    found: Score,
    estimator: DepthEstimator,
    name: str,
    dataset: DepthDataset,
    heights_m: dict[str, float],
) -> None:
    """Add what one source says."""
    protocol = PROTOCOLS['eigen'] if name == NYU else FULL
    scales = ScaleMetrics(protocol)

    def look(sample: DepthSample, depth_hw: NDArray[np.float32]) -> None:
        truth_hw = sample.depth_hw
        scales.update(depth_hw, truth_hw)
        if name != NYU:
            found.ranges.update(depth_hw, truth_hw)
        if name in RENDERED:
            found.edges.update(depth_hw, truth_hw)
        height_m = heights_m.get(sample.name)
        for label, (lowest, highest) in HEIGHTS_M.items():
            if height_m is not None and lowest <= height_m < highest:
                found.heights[label].update(depth_hw, truth_hw)

    figures = evaluate(estimator, dataset, protocol, look)
    found.sources[name] = (figures, scales.align(), scales.summarise()['p50'])


def read_heights(path: Path) -> dict[str, float]:
    """Return the camera's height above the floor by image where that is known."""
    cameras = path / 'cameras.csv'
    if not cameras.is_file():
        return {}
    with cameras.open(encoding='utf-8', newline='') as file:
        rows = [row for row in csv.DictReader(file) if 'height_m' in row]
        return {row['index']: float(row['height_m']) for row in rows}


def tabulate(found: Score) -> dict[str, str]:
    """Return the tables by the name of their marker."""
    rows = [
        [
            name,
            f'{figures["n_images"]:.0f}',
            f'{figures["rmse_per_image"]:.3f}',
            *cells(figures),
            *cells(aligned),
            f'{1 / scale:.2f}',
        ]
        for name, (figures, aligned, scale) in found.sources.items()
    ]
    unseen = [value for name, value in found.sources.items() if name not in {NYU, TUM}]
    means = [
        f'{np.mean([figures[key] for figures in part]):.3f}'
        for part in ([value[0] for value in unseen], [value[1] for value in unseen])
        for key in ('rel_per_image', 'delta1_per_image')
    ]
    rows.append(['mean of those between', '', '', *means, ''])
    head = (
        'images',
        'n',
        'RMSE [m]',
        'REL',
        'd1',
        'REL, scaled',
        'd1, scaled',
        'estimate / truth',
    )
    ranges = found.ranges.compute()
    near = [
        [name, f'{row["rel"]:.3f}', f'{row["delta1"]:.3f}', f'{row["ratio"]:.2f}']
        for name in RANGES_M
        if (row := ranges.get(name)) is not None
    ]
    heights = [
        [label, f'{figures["n_images"]:.0f}', *cells(figures)]
        for label, metrics in found.heights.items()
        if int(metrics.images) and (figures := metrics.compute())
    ]
    edges = found.edges.compute()
    return {
        'sources': markdown(head, rows),
        'ranges': markdown(('true depth', 'REL', 'd1', 'estimate / truth'), near),
        'heights': markdown(('camera above the floor', 'n', 'REL', 'd1'), heights),
        'edges': f'Depth edges of {edges["edge_images"]:.0f} rendered images: '
        f'accuracy {edges["edge_accuracy_px"]:.2f} px, '
        f'completeness {edges["edge_completeness_px"]:.2f} px.',
    }


def cells(figures: dict[str, float]) -> list[str]:
    """Return REL and delta1, means over images."""
    return [f'{figures["rel_per_image"]:.3f}', f'{figures["delta1_per_image"]:.3f}']


if __name__ == '__main__':
    main()
