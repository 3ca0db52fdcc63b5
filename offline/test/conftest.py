"""Small data sets that tests share, written in the layouts' own formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

WriteFolder = Callable[..., Path]


@pytest.fixture(scope='session')
def write_folder() -> WriteFolder:
    """Returns a function that writes a data set in the layout `folder`."""

    def write(root: Path, count: int, size: tuple[int, int] = (64, 96), seed: int = 0) -> Path:
        for part in ('rgb', 'depth'):
            (root / part).mkdir(parents=True)
        height, width = size
        rows, columns = np.mgrid[:height, :width]
        for index in range(count):
            rng = np.random.default_rng((seed, index))
            slope = rng.uniform(5, 30, 2)
            depth = 1000 + slope[0] * rows + slope[1] * columns + 500 * rng.random()
            shade = (depth / 25)[..., None] + rng.normal(0, 12, (*size, 3))
            cv2.imwrite(
                str(root / 'rgb' / f'{index:05d}.png'), shade.clip(0, 255).astype(np.uint8)
            )
            cv2.imwrite(str(root / 'depth' / f'{index:05d}.png'), depth.astype(np.uint16))
        return root

    return write
