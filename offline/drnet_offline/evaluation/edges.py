"""How well depth edges lie where those of the truth lie: the two errors of iBims-1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ['EdgeMetrics', 'find_edges']

_MAX_DISTANCE_PX = 10.0
_LOW, _HIGH = 0.025, 0.05


def find_edges(depth_hw: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Find the depth edges of a dense depth map with Canny's detector.

    The detector sees the logarithm of depth, so that an edge is a jump by a factor, near and far
    alike: about 5 % over two pixels begin an edge, 2.5 % continue it.

    Args:
        depth_hw: Float32 (H, W), metres, dense and positive.

    Returns:
        Bool (H, W), true on edges, one pixel wide.
    """
    smooth = cv2.GaussianBlur(np.log(depth_hw), (0, 0), 1.0)
    # Canny takes gradients as int16: 1000 is a jump by a factor of e between two pixels.
    dx, dy = (
        np.clip(500 * cv2.filter2D(smooth, -1, kernel), -32000, 32000).astype(np.int16)
        for kernel in (np.array([[-1.0, 0.0, 1.0]]), np.array([[-1.0], [0.0], [1.0]]))
    )
    edges = cv2.Canny(dx, dy, 500 * _LOW, 500 * _HIGH, L2gradient=True)
    return np.asarray(edges > 0)


class EdgeMetrics:
    """The depth boundary errors of iBims-1 (Koch et al., ECCV Workshops 2018), in pixels.

    Accuracy is the mean distance from each estimated edge to the nearest true one, over those
    within 10 pixels of one: how well the edges that are there are placed. Completeness is the mean
    distance from each true edge to the nearest estimated one, at most 10: an edge that is missing
    counts 10. Both are means over images. They mean something where the truth is dense and exact,
    as of rendered images: the edges of a depth camera are a few pixels off.
    """

    def __init__(self) -> None:
        self._accuracy: list[float] = []
        self._completeness: list[float] = []

    def update(self, estimate_hw: NDArray[np.float32], truth_hw: NDArray[np.float32]) -> None:
        """Add one image; one whose truth has no edges is not counted.

        Args:
            estimate_hw: Float32 (H, W), metres, dense.
            truth_hw: Float32 (H, W), metres, NaN or 0 where invalid: no edges are looked for
                within 3 pixels of what is invalid.
        """
        invalid = ~(np.nan_to_num(truth_hw) > 0)
        near = cv2.dilate(invalid.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        filled = np.where(invalid, np.float32(1), truth_hw).astype(np.float32)
        true = find_edges(filled) & ~near
        if not true.any():
            return
        found = find_edges(estimate_hw) & ~near
        to_true = distance_transform_edt(~true)
        placed = to_true[found & (to_true < _MAX_DISTANCE_PX)]
        if placed.size:
            self._accuracy.append(float(placed.mean()))
        # With no edge at all the distance transform would measure to nowhere.
        to_found = (
            distance_transform_edt(~found)
            if found.any()
            else np.full(true.shape, _MAX_DISTANCE_PX)
        )
        self._completeness.append(float(np.minimum(to_found[true], _MAX_DISTANCE_PX).mean()))

    def compute(self) -> dict[str, float | None]:
        """Return `edge_accuracy_px`, `edge_completeness_px` and `edge_images`, how many counted.

        An error is None where no image had what it needs.
        """
        return {
            'edge_accuracy_px': float(np.mean(self._accuracy)) if self._accuracy else None,
            'edge_completeness_px': (
                float(np.mean(self._completeness)) if self._completeness else None
            ),
            'edge_images': float(len(self._completeness)),
        }
