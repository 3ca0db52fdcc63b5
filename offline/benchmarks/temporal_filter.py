"""Measures what `temporal_filter` does, for docs/temporal_filter.md.

python offline/benchmarks/temporal_filter.py clip
python offline/benchmarks/temporal_filter.py PATH_OF_A_TUM_SEQUENCE

Each frame is estimated once, as by default, and steadied with every time constant. The scale of a
frame is the median of recorded / estimated depth. The last column is the harm done to perfect
depth: the recorded depth itself is steadied, and the largest change of a frame's scale reported.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drnet_offline.datasets.image_files import read_depth, read_rgb
from drnet_offline.replay.decoding import read_depths, read_images
from drnet_ros.inference import CameraModel, DepthEstimator, DepthFrame, Frame, Settings
from drnet_ros.inference.temporal_filter import ScaleFilter
from drnet_ros.recordings.recording import Recording

CLIP = Path(__file__).parents[1] / 'clip' / 'room'
TIME_CONSTANTS_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
TUM_UNITS_PER_M = 5000.0

Depth = NDArray[np.float32]
Sample = tuple[int, NDArray[np.uint8], Depth]


@dataclass
class Figures:
    """What one time constant gave."""

    scale_filter: ScaleFilter = field(default_factory=ScaleFilter)
    truth_filter: ScaleFilter = field(default_factory=ScaleFilter)
    log_scales: list[float] = field(default_factory=list)
    relative: list[float] = field(default_factory=list)
    rmse: list[float] = field(default_factory=list)
    harm: list[float] = field(default_factory=list)


def clip() -> tuple[CameraModel, Iterator[Sample]]:
    """Return the camera and the frames of the bundled clip."""
    camera = CameraModel(640, 480, 525.0, 525.0, 319.5, 239.5)

    def frames() -> Iterator[Sample]:
        with Recording(CLIP) as images, Recording(CLIP) as depths:
            pairs = zip(
                read_images(images, '/camera/image_raw/compressed'),
                read_depths(depths, '/camera/depth/image_rect/compressedDepth'),
                strict=True,
            )
            for (stamp_ns, rgb), (_, depth) in pairs:
                yield stamp_ns, rgb, depth

    return camera, frames()


def tum(folder: Path) -> tuple[CameraModel, Iterator[Sample]]:
    """Return the camera and the frames of a freiburg1 sequence in the TUM layout."""
    camera = CameraModel(
        640,
        480,
        517.3,
        516.5,
        318.6,
        255.3,
        'plumb_bob',
        (0.2624, -0.9531, -0.0054, 0.0026, 1.1633),
    )

    def frames() -> Iterator[Sample]:
        for line in (folder / 'associations.txt').read_text(encoding='utf-8').splitlines():
            if line.startswith('#'):
                continue
            seconds, rgb_name, _, depth_name = line.split()
            depth = read_depth(folder / depth_name, units_per_m=TUM_UNITS_PER_M)
            # Whole millimetres, as a driver publishes them.
            depth = np.rint(depth * np.float32(1000)) / np.float32(1000)
            yield round(float(seconds) * 1e9), read_rgb(folder / rgb_name), depth

    return camera, frames()


def add(
    figures: Figures, sample: Sample, estimate: Depth, camera: CameraModel, time_s: float
) -> None:
    """Steady one frame, and the recorded depth of it, and note how it fares."""
    stamp_ns, rgb, truth = sample
    settings = Settings(temporal_filter=time_s, max_depth=80.0)
    frame = Frame(rgb, camera, stamp_ns=stamp_ns)
    result, perfect = DepthFrame(estimate.copy()), DepthFrame(truth.copy())
    if time_s:
        figures.scale_filter.steady(frame, result, settings)
        figures.truth_filter.steady(frame, perfect, settings)
    valid = np.isfinite(result.depth_hw) & np.isfinite(truth)
    got, expected = result.depth_hw[valid], truth[valid]
    figures.log_scales.append(math.log(np.median(expected / got)))
    figures.relative.append(float(np.mean(np.abs(got - expected) / expected)))
    figures.rmse.append(float(np.sqrt(np.mean((got - expected) ** 2))))
    figures.harm.append(abs(math.log(np.nanmedian(perfect.depth_hw / truth))))


def row(time_s: float, figures: Figures) -> str:
    """Return one line of the table."""
    scales = np.array(figures.log_scales)
    changes = np.abs(np.diff(scales))
    cells = (
        f'{time_s:g} s' if time_s else 'off',
        f'{scales.std():.3f}',
        f'{np.median(changes):.4f}',
        f'{np.percentile(changes, 90):.4f}',
        f'{np.mean(figures.relative):.3f}',
        f'{np.mean(figures.rmse):.3f} m',
        f'{100 * max(figures.harm):.1f} %' if time_s else '',
    )
    return f'| {" | ".join(cells)} |'


def main() -> None:
    """Print the table of one sequence."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('sequence', help="'clip', or the folder of a TUM freiburg1 sequence")
    parser.add_argument('--weights', default='embedded')
    options = parser.parse_args()
    is_clip = options.sequence == 'clip'
    camera, samples = clip() if is_clip else tum(Path(options.sequence))
    results = {time_s: Figures() for time_s in TIME_CONSTANTS_S}
    with DepthEstimator(Settings(weights=options.weights)) as estimator:
        for sample in samples:
            estimate = estimator.estimate(sample[1], camera).depth_hw
            for time_s, figures in results.items():
                add(figures, sample, estimate, camera, time_s)
    print('| time constant | std ln scale | median change | 90 % | REL | RMSE | harm |')
    print('|---|---|---|---|---|---|---|')
    for time_s, figures in results.items():
        print(row(time_s, figures))


if __name__ == '__main__':
    main()
