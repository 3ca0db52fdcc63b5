"""Renders pictures of many random rooms: what `drnet adapt` must not forget.

Run with the Python 3.11 that has `bpy`; pictures that exist are skipped:

    nice -n 5 python render_rooms.py --output rooms
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import bpy
import numpy as np
from random_interiors import model_interior
from render_room import add_camera, point_camera, set_up_colour

ROOMS, VIEWS = 48, 2
WIDTH, HEIGHT = 384, 288
FOCAL_PX = (250.0, 400.0)
DARK_BYTES = 4000


def main() -> None:
    """Renders every picture that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--output', type=Path, required=True, help='folder of the pictures')
    parser.add_argument('--samples', type=int, default=10, help='paths per pixel')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rooms', type=int, default=ROOMS)
    parser.add_argument('--views', type=int, default=VIEWS)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for number in range(arguments.rooms):
        start = time.monotonic()
        room = model_interior(number)
        camera = add_camera()
        set_up_colour((WIDTH, HEIGHT), arguments.samples, arguments.threads)
        render = bpy.context.scene.render
        render.image_settings.file_format, render.image_settings.quality = 'JPEG', 85
        for view in range(arguments.views):
            focal_px = float(np.random.default_rng((number, view)).uniform(*FOCAL_PX))
            point_camera(camera, room.optical_pose(), focal_px)
            path = arguments.output / f'{number:02d}_{view}.jpg'
            if not path.exists():
                render.filepath = str(path)
                bpy.ops.render.render(write_still=True)
                if path.stat().st_size < DARK_BYTES:  # inside a wardrobe
                    path.unlink()
        print(f'room {number}: {time.monotonic() - start:.1f} s', flush=True)


if __name__ == '__main__':
    main()
