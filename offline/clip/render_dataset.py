"""Renders random interiors with exact depth, as a data set of `drnet train` (layout `folder`).

Run with the Python 3.11 that has `bpy`; interiors that exist are skipped:

    nice -n 5 python render_dataset.py --output random_interiors
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
from random_interiors import model_dataset_interior
from render_room import add_camera, point_camera, read_depth, set_up_colour, set_up_depth

Image = np.ndarray[Any, np.dtype[Any]]

VIEWS = 4
WIDTH, HEIGHT = 432, 324
FOCAL_PX = (240.0, 480.0)
FIRST_SEED = 1000
FARTHEST_MM = 65535
# A camera inside a cupboard sees one dark surface.
LEAST_DEPTH_M, LEAST_BRIGHTNESS = 0.15, 12.0


def main() -> None:
    """Renders the views of each interior that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--output', type=Path, required=True, help='folder of the data set')
    parser.add_argument('--samples', type=int, default=6, help='paths per pixel')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--interiors', type=int, default=120)
    arguments = parser.parse_args()
    for name in ('rgb', 'depth', 'cameras'):
        (arguments.output / name).mkdir(parents=True, exist_ok=True)
    for number in range(arguments.interiors):
        if not (arguments.output / 'cameras' / f'{number:04d}.csv').exists():
            start = time.monotonic()
            render_interior(number, arguments)
            print(f'interior {number}: {time.monotonic() - start:.1f} s', flush=True)
    write_cameras(arguments.output)


def render_interior(number: int, arguments: argparse.Namespace) -> None:
    """Renders the views of one interior: colour first, then depth, then what is usable."""
    interior = model_dataset_interior(FIRST_SEED + number)
    camera = add_camera()
    set_up_colour((WIDTH, HEIGHT), arguments.samples, arguments.threads)
    rng = np.random.default_rng(FIRST_SEED + number)
    bpy.context.scene.view_settings.exposure = float(rng.normal(0.3, 0.4))
    views = [(interior.optical_pose(), float(rng.uniform(*FOCAL_PX))) for _ in range(VIEWS)]
    part = arguments.output / 'part'
    images = [read_image(render(camera, view, part.with_suffix('.png'))) for view in views]
    set_up_depth()
    exr = part.with_suffix('.exr')
    depths = [read_depth(render(camera, view, exr)) for view in views]
    rows = []
    for index, (image, depth, (_, focal_px)) in enumerate(zip(images, depths, views, strict=True)):
        if depth.min() < LEAST_DEPTH_M or image.mean() < LEAST_BRIGHTNESS:
            continue
        name = f'{number * VIEWS + index:05d}'
        quality = [cv2.IMWRITE_JPEG_QUALITY, 92]
        write_image(arguments.output / 'rgb' / f'{name}.jpg', image, quality)
        millimetres = np.rint(np.where(depth > FARTHEST_MM / 1000, 0, depth * 1000))
        write_image(arguments.output / 'depth' / f'{name}.png', millimetres.astype(np.uint16))
        middle = ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
        rows.append([name, *(f'{v:.3f}' for v in (focal_px, focal_px, *middle))])
    with (arguments.output / 'cameras' / f'{number:04d}.csv').open('w', newline='') as file:
        csv.writer(file).writerows(rows)


def render(camera: Any, view: tuple[Any, float], path: Path) -> Path:
    """Renders one view to a file and returns its path."""
    point_camera(camera, *view)
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return path


def read_image(path: Path) -> Image:
    """Reads a colour image, BGR."""
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(image)


def write_image(path: Path, image: Image, options: Sequence[int] = ()) -> None:
    """Writes an image in the format of the suffix."""
    path.write_bytes(cv2.imencode(path.suffix, image, options)[1].tobytes())


def write_cameras(output: Path) -> None:
    """Writes cameras.csv from the rows of all interiors."""
    rows = [line for file in sorted((output / 'cameras').iterdir()) for line in file.open()]
    (output / 'cameras.csv').write_text('index,fx,fy,cx,cy\n' + ''.join(rows))


if __name__ == '__main__':
    main()
