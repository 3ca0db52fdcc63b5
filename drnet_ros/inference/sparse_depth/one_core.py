"""Products and inverses of matrices of some hundred rows, on the core that asks for them.

NumPy and OpenCV share larger ones among threads, which wait for the cores that the network has: an
inverse of 0.4 ms then takes tens of them. So matrices are cut into pieces too small for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ['inverse', 'product']

_Float = TypeVar('_Float', bound=np.floating)

_MULTIPLICATIONS = 200_000  # OpenBLAS begins threads at 262 144
_ROWS = 40


def product(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the product of two matrices, float32 (M, K) and (K, N)."""
    return _product(a, b)


def inverse(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the inverse of a symmetric positive definite matrix, float32 (N, N).

    Larger ones are inverted by halves, in float64: with the blocks A, B, B' and D and the Schur
    complement S = D - B' inv(A) B (Golub and Van Loan, Matrix Computations, section 3.2).
    """
    return _inverse(matrix.astype(np.float64)).astype(np.float32)


def _product(a: NDArray[_Float], b: NDArray[_Float]) -> NDArray[_Float]:
    result = np.empty((len(a), b.shape[1]), a.dtype)
    step = max(1, _MULTIPLICATIONS // max(1, b.size))
    for start in range(0, len(a), step):
        np.matmul(a[start : start + step], b, out=result[start : start + step])
    return result


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(matrix) <= _ROWS:
        return np.asarray(np.linalg.inv(matrix), np.float64)
    half = len(matrix) // 2
    first, cross = _inverse(matrix[:half, :half]), matrix[:half, half:]
    solved = _product(first, cross)
    second = _inverse(matrix[half:, half:] - _product(cross.T, solved))
    result = np.empty_like(matrix)
    between = -_product(solved, second)
    result[:half, :half] = first - _product(between, solved.T)
    result[:half, half:] = between
    result[half:, :half] = between.T
    result[half:, half:] = second
    return result
