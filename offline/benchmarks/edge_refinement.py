"""Measures what `refine_edges` does to depth and its edges, and what it costs: docs/robot.md.

    .venv/bin/python offline/benchmarks/edge_refinement.py [--write]

Scores the embedded weights with and without it on the images of ../shared/data that training never
saw, edges where the truth is exact. Time is that of one thread to finish the depth of a 640x480
image, without the network, the least of 300, both alternately.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from model_card import DATA, FULL, NYU, RENDERED, list_sources
from page_tables import markdown, write_between_markers
from rich.progress import track

from drnet_offline.evaluation.edges import EdgeMetrics
from drnet_offline.evaluation.protocols import PROTOCOLS
from drnet_offline.evaluation.scoring import evaluate
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.inference.frames import Frame
from drnet_ros.inference.postprocess import PostProcessor
from drnet_ros.network.metadata import read_metadata
from drnet_ros.weights import EMBEDDED, resolve_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthDataset, DepthSample

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'robot.md'
HEAD = ('images', 'n', 'REL', 'd1', 'edges: accuracy [px]', 'completeness [px]')
TURNS = 300


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--write', action='store_true', help='write the table into the page')
    options = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f'the data must be in {DATA}')
    table = markdown(HEAD, [*score_rows()])
    off_ms, on_ms = (1e3 * seconds for seconds in measure_time())
    times = f'Finishing the depth of a 640x480 image takes {on_ms:.2f} instead of {off_ms:.2f} ms.'
    print(table, times, sep='\n\n')
    if options.write:
        write_between_markers(PAGE, {'refine_edges': f'{table}\n\n{times}'})


def score_rows() -> list[list[str]]:
    """Return a row of figures for each data set, without and with the refinement."""
    limits = {'min_depth': 0.001, 'max_depth': 80.0, 'points': False}
    plain, refined = (
        Settings.from_mapping({**limits, 'refine_edges': refines}) for refines in (False, True)
    )
    rows = []
    with DepthEstimator(plain) as off, DepthEstimator(refined) as on:
        for name, dataset, _ in track(list(list_sources(DATA))):
            before, after = (score(estimator, name, dataset) for estimator in (off, on))
            pairs = [f'{a} -> {b}' if a else '' for a, b in zip(before, after, strict=True)]
            rows.append([name, str(len(dataset)), *pairs])
    return rows


def score(estimator: DepthEstimator, name: str, dataset: DepthDataset) -> list[str]:
    """Return the figures of one data set, in the order of the table."""
    edges = EdgeMetrics()

    def look(sample: DepthSample, depth_hw: NDArray[np.float32]) -> None:
        if name in RENDERED:
            edges.update(depth_hw, sample.depth_hw)

    figures = evaluate(estimator, dataset, PROTOCOLS['eigen'] if name == NYU else FULL, look)
    found = edges.compute()
    errors = [f'{figures[key]:.3f}' for key in ('rel_per_image', 'delta1_per_image')]
    keys = 'edge_accuracy_px', 'edge_completeness_px'
    return [*errors, *('' if found[key] is None else f'{found[key]:.2f}' for key in keys)]


def measure_time() -> tuple[float, float]:
    """Return the seconds that finishing depth takes without and with the refinement."""
    cv2.setNumThreads(1)
    processor = PostProcessor(read_metadata(resolve_weights(EMBEDDED)))
    random = np.random.default_rng(0)
    frame = Frame(random.integers(0, 256, (480, 640, 3), dtype=np.uint8))
    depth = random.uniform(1, 5, (288, 384)).astype(np.float32)
    variants = (Settings(refine_edges=False), Settings(refine_edges=True))
    least = [float('inf')] * 2
    for _ in range(TURNS):
        for index, settings in enumerate(variants):
            start_s = time.perf_counter()
            processor.finish(depth, frame, settings)
            least[index] = min(least[index], time.perf_counter() - start_s)
    return least[0], least[1]


if __name__ == '__main__':
    main()
