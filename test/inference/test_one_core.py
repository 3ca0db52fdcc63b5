"""Products and inverses in pieces, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from drnet_ros.inference.sparse_depth.one_core import inverse, product


@pytest.mark.parametrize(
    'shape', [(1, 1, 1), (768, 150, 150), (150, 3, 150), (5, 0, 7), (3, 700, 9)]
)
def test_products_are_those_of_numpy(shape: tuple[int, int, int]) -> None:
    generator = np.random.default_rng(0)
    a = generator.normal(size=shape[:2]).astype(np.float32)
    b = generator.normal(size=shape[1:]).astype(np.float32)
    np.testing.assert_allclose(product(a, b), a.astype(np.float64) @ b, atol=1e-4)


@pytest.mark.parametrize('size', [1, 2, 40, 41, 149, 150])
def test_inverses_are_those_of_numpy(size: int) -> None:
    generator = np.random.default_rng(size)
    factors = generator.normal(size=(size, size))
    matrix = (factors @ factors.T + 0.1 * np.eye(size)).astype(np.float32)
    expected = np.linalg.inv(matrix.astype(np.float64))
    np.testing.assert_allclose(inverse(matrix), expected, rtol=1e-4, atol=1e-5)
