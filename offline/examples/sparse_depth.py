"""The scale from one known distance: python sparse_depth.py photo.jpg 2.5"""

import sys

import cv2
import numpy as np

from drnet_ros.inference import DepthEstimator, SparseDepth
from drnet_ros.inference.camera import rays

bgr = cv2.imread(sys.argv[1])
if bgr is None:
    sys.exit(f'{sys.argv[1]} is no image')
rgb = np.ascontiguousarray(bgr[..., ::-1])
metres = float(sys.argv[2])

with DepthEstimator() as estimator:
    height, width = rgb.shape[:2]
    camera = estimator.assumed_camera(height, width)
    # The middle of the image is that far away: a point in the camera's optical frame.
    x, y = rays(camera)[height // 2, width // 2]
    known = SparseDepth(np.array([[x * metres, y * metres, metres]]), relative_stddev=0.02)
    before = estimator.estimate(rgb, camera)
    after = estimator.estimate(rgb, camera, sparse_depth=known)

for name, frame in (('without', before), ('with', after)):
    middle = frame.depth_hw[height // 2, width // 2]
    print(f'{name}: {middle:.2f} m +- {frame.stddev_hw[height // 2, width // 2]:.2f} m')
print(f'factor {after.scale.factor:.2f}')
