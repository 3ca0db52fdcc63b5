"""Measures accuracy against time for weights at several input sizes, for docs/lab/weights.md.

    .venv/bin/python offline/benchmarks/accuracy_over_time.py WEIGHTS ... [--picture FILE]

Each file of weights is run at each of the sizes 224x320, 256x352, 288x384, 320x416 and 384x512.
Accuracy is that of the estimator of the node on the validation blocks of NYU Depth v2 (protocol
eigen) and on every fifth frame of tum_fr1_rpy, both of ../shared/data. Time is from a 640x480
image to depth and points; all combinations take turns, frame by frame, so that other programs
slow all of them alike. The node adds a few milliseconds for its messages, the same for all.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from model_card import DATA, FULL, NYU, TUM, Thinned
from page_tables import markdown
from rich.progress import track

from drnet_offline.datasets.opening import open_dataset
from drnet_offline.evaluation.protocols import PROTOCOLS
from drnet_offline.evaluation.scoring import evaluate
from drnet_offline.training.preset_reader import load_config
from drnet_ros.inference import CameraModel, DepthEstimator, Settings

SIZES = ((224, 320), (256, 352), (288, 384), (320, 416), (384, 512))
CAMERA = CameraModel(640, 480, 525.0, 525.0, 319.5, 239.5)
ROUNDS = 40


@dataclass
class Candidate:
    """Weights at a size, and what they reach.

    Attributes:
        settings: As they are run.
        time_ms: Least time of a frame, in milliseconds. Whatever else runs can only add to it.
        nyu: Figures of `DepthMetrics.compute`.
        tum: The same, of the other camera.
    """

    settings: Settings
    time_ms: float = float('inf')
    nyu: dict[str, float] = field(default_factory=dict)
    tum: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The weights' file name without its ending."""
        return Path(self.settings.weights).stem


def main() -> None:
    """Measure, print, and draw where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('weights', nargs='+', help="files, or 'embedded'")
    parser.add_argument('--picture', type=Path, help='draw the curves into this file')
    options = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f'the data must be in {DATA}')
    candidates = [
        Candidate(Settings(weights=weights, input_size=size, min_depth=0.001, max_depth=80.0))
        for weights in options.weights
        for size in SIZES
    ]
    measure_times(candidates)
    for candidate in track(candidates, 'accuracy'):
        measure_accuracy(candidate)
    print(tabulate(candidates))
    if options.picture:
        draw(candidates, options.picture)


def measure_times(candidates: list[Candidate]) -> None:
    """Run all candidates in turn on random images."""
    rgb_hwc = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    with ExitStack() as stack:
        estimators = [
            stack.enter_context(DepthEstimator(candidate.settings)) for candidate in candidates
        ]
        for _ in track(range(ROUNDS), 'time'):
            for candidate, estimator in zip(candidates, estimators, strict=True):
                start = time.perf_counter()
                estimator.estimate(rgb_hwc, CAMERA)
                elapsed_ms = 1e3 * (time.perf_counter() - start)
                candidate.time_ms = min(candidate.time_ms, elapsed_ms)


def measure_accuracy(candidate: Candidate) -> None:
    """Score one candidate on both data sets."""
    nyu = next(s for s in load_config('lite2_mixture').data.sources if s.path == NYU)
    rooms = open_dataset(DATA / NYU, part='val', validation_blocks=nyu.validation_blocks)
    with DepthEstimator(replace(candidate.settings, points=False)) as estimator:
        candidate.nyu = evaluate(estimator, rooms, PROTOCOLS['eigen'])
        candidate.tum = evaluate(estimator, Thinned(open_dataset(DATA / TUM)), FULL)


def tabulate(candidates: list[Candidate]) -> str:
    """Return the table, with times as ratios to the first candidate's at 288x384."""
    reference_ms = candidates[SIZES.index((288, 384))].time_ms
    head = ('weights', 'size', 'time', 'NYU: RMSE [m]', 'REL', 'd1', 'fr1_rpy: REL', 'd1')
    rows = []
    for candidate in candidates:
        figures = [candidate.nyu[f'{key}_per_image'] for key in ('rmse', 'rel', 'delta1')]
        figures += [candidate.tum[f'{key}_per_image'] for key in ('rel', 'delta1')]
        ratio = f'{candidate.time_ms / reference_ms:.2f}'
        size = '{}x{}'.format(*candidate.settings.input_size)
        rows.append([candidate.name, size, ratio, *(f'{figure:.3f}' for figure in figures)])
    return markdown(head, rows)


def draw(candidates: list[Candidate], path: Path) -> None:
    """Draw delta1 over time, one line for each file of weights."""
    figure = Figure(figsize=(8, 3.5), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2, sharex=True)
    for name in dict.fromkeys(candidate.name for candidate in candidates):
        of_name = [candidate for candidate in candidates if candidate.name == name]
        times = [candidate.time_ms for candidate in of_name]
        for axis, title, figures in (
            (axes[0], 'NYU Depth v2, validation', [c.nyu for c in of_name]),
            (axes[1], 'TUM freiburg1_rpy', [c.tum for c in of_name]),
        ):
            axis.plot(times, [f['delta1_per_image'] for f in figures], 'o-', label=name)
            axis.set(title=title, xlabel='least time of a frame [ms]', ylabel='d1')
    axes[0].legend()
    figure.savefig(path, dpi=150)


if __name__ == '__main__':
    main()
