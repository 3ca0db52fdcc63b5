"""The images that an estimator fails most on, as pictures for people to look at."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from drnet_offline.evaluation.metrics import DepthMetrics
from drnet_offline.evaluation.pictures import PictureRow, draw_rows, plain_label
from drnet_offline.outputs.files import make_folder, write_image

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthSample
    from drnet_offline.evaluation.protocols import Protocol

__all__ = ['WorstImages']

_JPEG_QUALITY = 85
# Names longer than that are cut: a file name may have 255 bytes.
_MOST_LETTERS = 60


class WorstImages:
    """Keeps the images with the largest REL; no more than these are in memory.

    Args:
        protocol: Which pixels count.
        count: How many are kept.
    """

    def __init__(self, protocol: Protocol, count: int) -> None:
        self._protocol = protocol
        self._count = count
        self._kept: list[tuple[float, int, str, PictureRow]] = []
        self._seen = 0

    def update(self, sample: DepthSample, estimate_hw: NDArray[np.float32]) -> None:
        """Look at one image.

        Args:
            sample: Image and truth.
            estimate_hw: Float32 (H, W), metres, dense.
        """
        metrics = DepthMetrics(self._protocol)
        metrics.update(estimate_hw, sample.depth_hw)
        if not int(metrics.images):
            return
        figures = metrics.compute()
        name = plain_label(sample.name)
        label = (
            f'{name}\nREL {figures["rel"]:.3f}  $\\delta_1$ {figures["delta1"]:.2f}\n'
            f'RMSE {figures["rmse"]:.2f} m'
        )
        row = PictureRow(label, sample.rgb_hwc, sample.depth_hw, estimate_hw)
        self._seen += 1
        # The running number keeps rows, which have no order, from being compared.
        entry = (figures['rel'], -self._seen, sample.name, row)
        keep = heapq.heappush if len(self._kept) < self._count else heapq.heappushpop
        keep(self._kept, entry)

    def write(self, folder: Path) -> list[Path]:
        """Write folder/worst.jpg, all of them, and folder/worst_NN_NAME.jpg, the worst first.

        Raises:
            OfflineError: A file cannot be written.
        """
        make_folder(folder)
        worst = sorted(self._kept, key=lambda entry: entry[:2], reverse=True)
        sheets = {folder / 'worst.jpg': [row for *_, row in worst]} if worst else {}
        for number, (_, _, name, row) in enumerate(worst, 1):
            plain = name.replace('/', '_')[-_MOST_LETTERS:]
            sheets[folder / f'worst_{number:02d}_{plain}.jpg'] = [row]
        for path, shown in sheets.items():
            write_image(path, draw_rows(shown), _JPEG_QUALITY)
        return list(sheets)
