"""Draws the pictures of the bundled clip: its frames with exact and with estimated depth.

    .venv/bin/python offline/clip/draw_pictures.py

Written are offline/clip/preview.jpg, and docs/pictures: clip.jpg and clip.gif for the README,
refine_edges.jpg for docs/robot.md.
Run it after the clip or the embedded weights have changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image
from rendered_recordings import CLIP

from drnet_offline.evaluation.depth_colours import add_depth_bar, draw_depth
from drnet_offline.replay.decoding import read_depths, read_images
from drnet_ros.inference import CameraModel, DepthEstimator, Settings
from drnet_ros.recordings.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
BAG = ROOT / 'offline' / 'clip' / 'room'
IMAGES = '/camera/image_raw/compressed'
DEPTHS = '/camera/depth/image_rect/compressedDepth'
STILL_FRAME = 8
PREVIEW_FRAMES = (0, 21, 42, 63)
GIF_STEP = 3
GIF_COLOURS = 96
GIF_PANEL_PX = 260
PANEL_PX = 360
BAR_IN = 0.75
DPI = 100
JPEG_QUALITY = 88


@dataclass(frozen=True, slots=True, eq=False)
class ClipFrame:
    """One frame of the clip.

    Attributes:
        rgb_hwc: uint8 (H, W, 3).
        exact_hw: Exact depth, metres, float32 (H, W), NaN where there is none.
        estimate_hw: Depth that is estimated with the embedded weights, likewise.
        blurred_hw: The same without `refine_edges`.
    """

    rgb_hwc: NDArray[np.uint8]
    exact_hw: NDArray[np.float32]
    estimate_hw: NDArray[np.float32]
    blurred_hw: NDArray[np.float32]


def main() -> None:
    """Draw all pictures."""
    frames = read_frames()
    exact = np.concatenate([frame.exact_hw[::8, ::8].ravel() for frame in frames])
    nearest_m, farthest_m = np.nanpercentile(exact, [1, 99]).tolist()
    limits_m = (float(nearest_m), float(farthest_m))
    pictures = ROOT / 'docs' / 'pictures'
    pictures.mkdir(exist_ok=True)
    still = frames[STILL_FRAME]
    row: list[NDArray[Any]] = [still.rgb_hwc, still.estimate_hw, still.exact_hw]
    titles: tuple[str, ...] = ('image', 'estimated depth', 'exact depth')
    save_jpeg(draw_panels([row], limits_m, titles=titles), pictures / 'clip.jpg')
    row = [still.rgb_hwc, still.blurred_hw, still.estimate_hw, still.exact_hw]
    titles = ('image', 'without refine_edges', 'with refine_edges', 'exact depth')
    panels = draw_panels([row], limits_m, titles=titles)
    save_jpeg(panels, pictures / 'refine_edges.jpg')
    shown = [frames[index] for index in PREVIEW_FRAMES]
    rows: list[list[NDArray[Any]]] = [
        [frame.rgb_hwc for frame in shown],
        [frame.exact_hw for frame in shown],
    ]
    save_jpeg(draw_panels(rows, limits_m), BAG.with_name('preview.jpg'))
    moving: list[list[NDArray[Any]]] = [
        [frame.rgb_hwc, frame.estimate_hw] for frame in frames[::GIF_STEP]
    ]
    drawn = [draw_panels([panels], limits_m, panel_px=GIF_PANEL_PX) for panels in moving]
    save_gif(drawn, pictures / 'clip.gif')


def read_frames() -> list[ClipFrame]:
    """Read the clip and estimate its depth, frame by frame as the node does."""
    focal, (cx, cy) = CLIP.focal_px, CLIP.centre_px
    camera = CameraModel.from_fields(
        width=CLIP.width, height=CLIP.height, k=(focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0)
    )
    plain = DepthEstimator(Settings(refine_edges=False))
    with Recording(BAG) as recording, DepthEstimator() as estimator, plain:
        images = [rgb for _, rgb in read_images(recording, IMAGES)]
        depths = [depth for _, depth in read_depths(recording, DEPTHS)]
        return [
            ClipFrame(
                rgb,
                exact,
                estimator.estimate(rgb, camera).depth_hw,
                plain.estimate(rgb, camera).depth_hw,
            )
            for rgb, exact in zip(images, depths, strict=True)
        ]


def draw_panels(
    rows: Sequence[Sequence[NDArray[Any]]],
    limits_m: tuple[float, float],
    *,
    titles: Sequence[str] = (),
    panel_px: int = PANEL_PX,
) -> NDArray[np.uint8]:
    """Draw images and depths in rows, with a bar for the depths.

    Args:
        rows: Images, uint8 (H, W, 3), and depths, float32 (H, W), all of one size.
        limits_m: Nearest and farthest depth of the colours.
        titles: Above the panels of the first row.
        panel_px: Width of a panel.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    height, width = rows[0][0].shape[:2]
    panel_in = panel_px / DPI, panel_px * height / width / DPI
    size_in = panel_in[0] * len(rows[0]) + BAR_IN, panel_in[1] * len(rows) + 0.3 * bool(titles)
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    figure = Figure(figsize=size_in, dpi=DPI, layout=layout)
    canvas: Any = FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for axis, title in zip(axes[0], titles, strict=False):
        axis.set_title(title, fontsize=9)
    for row, row_axes in zip(rows, axes, strict=True):
        for panel, axis in zip(row, row_axes, strict=True):
            axis.set_axis_off()
            if panel.ndim == 3:
                axis.imshow(panel)
            else:
                drawn = draw_depth(axis, panel, *limits_m)
    add_depth_bar(figure, drawn, axes, fraction=0.03, pad=0.01)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3].copy()


def save_jpeg(rgb_hwc: NDArray[np.uint8], path: Path) -> None:
    """Write a picture."""
    Image.fromarray(rgb_hwc).save(path, quality=JPEG_QUALITY, optimize=True)


def save_gif(frames: Sequence[NDArray[np.uint8]], path: Path) -> None:
    """Write an animation at the pace of the clip; without dithering, which GIF cannot compress."""
    images = [
        Image.fromarray(rgb).quantize(GIF_COLOURS, dither=Image.Dither.NONE) for rgb in frames
    ]
    pace_ms = round(1000 * GIF_STEP / CLIP.rate_hz)
    images[0].save(path, save_all=True, append_images=images[1:], duration=pace_ms, loop=0)


if __name__ == '__main__':
    main()
