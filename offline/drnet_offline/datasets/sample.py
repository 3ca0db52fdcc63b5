"""One image with its depth, as every data set yields it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ['DepthDataset', 'DepthSample']


@dataclass(frozen=True, slots=True)
class DepthSample:
    """An image and the depth registered to it.

    Attributes:
        name: What the data set calls it, for messages and reports.
        rgb_hwc: uint8 (H, W, 3).
        depth_hw: float32 (H, W), metres along the optical axis, NaN where invalid.
        focal_px: Focal length at this size, pixels (geometric mean of fx and fy).
    """

    name: str
    rgb_hwc: NDArray[np.uint8]
    depth_hw: NDArray[np.float32]
    focal_px: float


class DepthDataset(Protocol):
    """A data set of images with depth, by position."""

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def __getitem__(self, index: int) -> DepthSample:
        """Read one sample from disk."""
        ...
