"""Depth of a photo: python image.py photo.jpg output/"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from drnet_ros.errors import DrnetError
from drnet_ros.inference import CameraModel, DepthEstimator

if len(sys.argv) != 3:
    sys.exit(__doc__)
try:
    photo, output = Path(sys.argv[1]), Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    rgb = np.array(ImageOps.exif_transpose(Image.open(photo)).convert('RGB'))
    height, width = rgb.shape[:2]

    with DepthEstimator() as estimator:
        # A camera that is 70 degrees wide; use your own calibration where you have one.
        focal = width / 2 / np.tan(np.radians(70) / 2)
        camera = CameraModel(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
        frame = estimator.estimate(rgb, camera, points=True)

    frame.save_png(output / 'depth.png')  # uint16 millimetres
    Image.fromarray(frame.colour()).save(output / 'colours.png')
    count = frame.save_ply(output / 'cloud.ply')
    print(f'{np.nanmin(frame.depth_hw):.2f} to {np.nanmax(frame.depth_hw):.2f} m, {count} points')
except (DrnetError, OSError) as error:  # a file that is not there, say
    sys.exit(f'error: {error}')
