"""What `preprocess` and `depth` do on arrays, done on tensors, so that a GPU can do it.

Nothing here asks a tensor for a value, so that all of it can be captured in a CUDA graph.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from drnet_ros.inference.postprocess.edge_refinement import (
    LEAST_DEPTH_M,
    RADIUS,
    REGULARISATION,
    SUBSAMPLING,
)

__all__ = [
    'brightness_of',
    'fill_cloud',
    'fill_depth',
    'refine_depth',
    'resize_bytes',
    'resize_matrix',
    'resize_planes',
]


def resize_matrix(length: int, size: int, *, averages: bool) -> Tensor:
    """Return the matrix that resizes one side of an image.

    Args:
        length: Pixels before.
        size: Pixels after.
        averages: Mean over the area that each new pixel covers (cv2.INTER_AREA), else linear
            between the centers of the nearest two (cv2.INTER_LINEAR).

    Returns:
        float32 (size, length); rows sum to 1.
    """
    ratio = length / size
    new = torch.arange(size, dtype=torch.float64)[:, None]
    old = torch.arange(length, dtype=torch.float64)[None]
    if averages:
        top, bottom = new * ratio, (new + 1) * ratio
        covered = torch.minimum(old + 1, bottom) - torch.maximum(old, top)
        return (covered.clamp(min=0) / ratio).float()
    center = ((new + 0.5) * ratio - 0.5).clamp(0, length - 1)
    return (1 - (center - old).abs()).clamp(min=0).float()


def resize_bytes(rgb_bhwc: Tensor, *weights: Tensor) -> Tensor:
    """Resize images.

    Args:
        rgb_bhwc: uint8 (B, H, W, C).
        *weights: As of `resize_planes`. In float16 values are off by 0.25 at most before they are
            rounded: bytes are exact in it, weights and what comes between the products are not.

    Returns:
        (B, C, h, w) of the type of the weights, rounded to whole numbers, as images are that the
        network was trained on; without weights the same memory, still bytes.
    """
    planes = rgb_bhwc.permute(0, 3, 1, 2)
    if not weights:
        return planes
    planes = planes.to(weights[0].dtype, memory_format=torch.contiguous_format)
    # Halves go up, as where cv2 averages blocks of 2 x 2: there every fourth value is one.
    return (resize_planes(planes, *weights) + 0.5).floor()


def resize_planes(planes_bchw: Tensor, *weights: Tensor) -> Tensor:
    """Resize planes; two small matrix products, which is what tensor cores are made for.

    Args:
        planes_bchw: (B, C, H, W) of the type of the weights.
        *weights: `resize_matrix` of the rows (h, H) and of the columns (w, W), or nothing to
            keep the size.

    Returns:
        (B, C, h, w) of that type; without weights the same memory.
    """
    if not weights:
        return planes_bchw
    rows, columns = weights
    return rows @ planes_bchw @ columns.T


def refine_depth(depth_bhw: Tensor, small_b2hw: Tensor, sharp_b1hw: Tensor) -> Tensor:
    """Resize depth so that its edges follow those of the image, as `refine_edges` does.

    Args:
        depth_bhw: The network's depth in metres, float32 (B, h, w).
        small_b2hw: Means of the brightness of the images, 0 to 1, and of its square, float32
            (B, 2, h / 4, w / 4).
        sharp_b1hw: Brightness at the size of the result, 0 to 1, float32 (B, 1, H, W).

    Returns:
        Metres, float32 (B, H, W).
    """
    guide = small_b2hw[:, :1]
    mean = functional.avg_pool2d(depth_bhw[:, None], SUBSAMPLING)
    mean = torch.nan_to_num(mean, nan=LEAST_DEPTH_M, posinf=LEAST_DEPTH_M)
    depth = mean.clamp(min=LEAST_DEPTH_M).log()
    mean_guide, mean_square = _windowed(small_b2hw).chunk(2, 1)
    mean_depth = _windowed(depth)
    variance = mean_square - mean_guide * mean_guide
    slope = (_windowed(guide * depth) - mean_guide * mean_depth) / (variance + REGULARISATION)
    both = torch.cat([_windowed(slope), _windowed(slope * mean_guide)], 1)
    slope, offset = _enlarged(both, sharp_b1hw).unbind(1)
    detail = slope * sharp_b1hw[:, 0] - offset
    return detail.exp() * _enlarged(depth_bhw[:, None], sharp_b1hw)[:, 0]


def brightness_of(rgb_bhwc: Tensor) -> Tensor:
    """Return the brightness of images, as `cv2.cvtColor` does.

    Args:
        rgb_bhwc: uint8 (B, H, W, 3).

    Returns:
        Multiples of 1 / 255 from 0 to 1, float32 (B, 1, H, W).
    """
    red, green, blue = rgb_bhwc.int().unbind(-1)
    # 0.299, 0.587 and 0.114 in fixed point, with OpenCV's rounding.
    gray = (9798 * red + 19235 * green + 3735 * blue + (1 << 14)) >> 15
    return gray[:, None] * (1 / 255)


def fill_depth(out_bhw: Tensor, depth_bhw: Tensor, limits_b4: Tensor, *, has_edges: bool) -> None:
    """Scale, resize and filter the network's depth, as `PostProcessor.finish` does.

    Args:
        out_bhw: Written: metres, float32 (B, H, W), NaN where invalid.
        depth_bhw: The network's depth in metres, float32 (B, h, w).
        limits_b4: For each image scale, least and greatest depth, and by what factor depth jumps
            at an edge (1 + `Geometry.edge_threshold_at_depth`); tensors, so that they change
            without a new graph.
        has_edges: Whether both sides of depth jumps become invalid.
    """
    scale, least, greatest, jump = limits_b4[:, :, None, None].unbind(1)
    if depth_bhw.shape != out_bhw.shape:
        depth_bhw = _enlarged(depth_bhw[:, None], out_bhw)[:, 0]
    depth = depth_bhw * scale
    # Where depth is NaN this is false too.
    is_valid = (depth >= least) & (depth <= greatest)
    if has_edges:
        is_valid &= ~_is_edge(depth, jump)
    out_bhw.copy_(depth.masked_fill(~is_valid, math.nan))


def fill_cloud(
    out_hwc: Tensor, depth_hw: Tensor, rays_hw2: Tensor, rgb_hw3: Tensor | None, stride: int
) -> None:
    """Build the organised cloud, as `depth.point_cloud` does.

    Args:
        out_hwc: Written: float32 (h, w, 3), or 4 channels with color, h = ceil(H / stride).
        depth_hw: Metres, float32 (H, W).
        rays_hw2: x / z and y / z, float32, of every stride-th pixel: (h, w, 2).
        rgb_hw3: Colors, whole numbers of any type, (H, W, 3), or None.
        stride: Which pixels become points.
    """
    every = slice(None, None, stride)
    depth = depth_hw[every, every]
    sides = rays_hw2 * depth[..., None]
    out_hwc[..., :2] = sides
    out_hwc[..., 2] = depth.masked_fill(sides[..., 0].isnan(), math.nan)
    if rgb_hw3 is not None:
        red, green, blue = rgb_hw3[every, every].to(torch.int32).unbind(-1)
        # As integers: bits of a color are denormal as a float, and arithmetic may flush those.
        out_hwc.view(torch.int32)[..., 3] = red << 16 | green << 8 | blue


def _enlarged(image_bchw: Tensor, like: Tensor) -> Tensor:
    size_hw = like.shape[-2:]
    return functional.interpolate(image_bchw, size_hw, mode='bilinear', align_corners=False)


def _windowed(image_bchw: Tensor) -> Tensor:
    continued = functional.pad(image_bchw, (RADIUS,) * 4, mode='replicate')
    return functional.avg_pool2d(continued, 2 * RADIUS + 1, stride=1)


def _is_edge(depth_bhw: Tensor, jump_b11: Tensor) -> Tensor:
    """Tell where depth and that of a pixel that shares a side differ by more than a factor."""
    far = torch.nan_to_num(depth_bhw, nan=-math.inf, posinf=math.inf, neginf=-math.inf)
    near = torch.nan_to_num(depth_bhw, nan=math.inf, posinf=math.inf, neginf=-math.inf)
    farthest, nearest = _cross_max(far), -_cross_max(-near)
    return (farthest > depth_bhw * jump_b11) | (depth_bhw > nearest * jump_b11)


def _cross_max(x_bhw: Tensor) -> Tensor:
    rows = functional.max_pool2d(x_bhw, (3, 1), stride=1, padding=(1, 0))
    columns = functional.max_pool2d(x_bhw, (1, 3), stride=1, padding=(0, 1))
    return torch.maximum(rows, columns)
