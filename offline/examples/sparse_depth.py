"""The scale from one known distance: python sparse_depth.py photo.jpg 2.5"""

import sys

import numpy as np
from PIL import Image, ImageOps

from drnet_ros.errors import DrnetError
from drnet_ros.inference import DepthEstimator, SparseDepth
from drnet_ros.inference.camera import rays

if len(sys.argv) != 3:
    sys.exit(__doc__)
try:
    rgb = np.array(ImageOps.exif_transpose(Image.open(sys.argv[1])).convert('RGB'))
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
        assert frame.stddev_hw is not None  # `estimate` gives it always
        middle = frame.depth_hw[height // 2, width // 2]
        print(f'{name}: {middle:.2f} m +- {frame.stddev_hw[height // 2, width // 2]:.2f} m')
    assert after.scale is not None  # there was sparse depth
    print(f'factor {after.scale.factor:.2f}')
    if reason := after.scale.refusal or after.scale.unseen:
        print(f'the distance is not used: {reason}')
except (DrnetError, OSError, ValueError) as error:  # no such file, or no number, say
    sys.exit(f'error: {error}')
