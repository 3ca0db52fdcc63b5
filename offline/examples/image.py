"""Depth of a photo: python image.py photo.jpg output/"""

import sys
from pathlib import Path

import cv2
import numpy as np

from drnet_ros.inference import CameraModel, DepthEstimator

photo, output = Path(sys.argv[1]), Path(sys.argv[2])
output.mkdir(parents=True, exist_ok=True)
bgr = cv2.imread(str(photo))
if bgr is None:
    sys.exit(f'{photo} is no image')
rgb = np.ascontiguousarray(bgr[..., ::-1])
height, width = rgb.shape[:2]

with DepthEstimator() as estimator:
    # A camera that is 70 degrees wide; use your own calibration where you have one.
    focal = width / 2 / np.tan(np.radians(70) / 2)
    camera = CameraModel(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
    frame = estimator.estimate(rgb, camera, points=True)

frame.save_png(output / 'depth.png')  # uint16 millimetres
cv2.imwrite(str(output / 'colours.png'), frame.colour()[..., ::-1])
count = frame.save_ply(output / 'cloud.ply')
print(f'{np.nanmin(frame.depth_hw):.2f} to {np.nanmax(frame.depth_hw):.2f} m, {count} points')
