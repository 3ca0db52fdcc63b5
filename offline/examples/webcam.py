"""The depth straight ahead of a webcam, until Ctrl-C: python webcam.py [0]"""

import sys
from contextlib import suppress

from drnet_ros.errors import DrnetError
from drnet_ros.inference import DepthEstimator
from drnet_ros.recordings.video import Video

source = sys.argv[1] if len(sys.argv) > 1 else '0'
try:
    with suppress(KeyboardInterrupt), Video(source) as camera, DepthEstimator() as estimator:
        for shown in camera:
            frame = estimator.estimate(shown.rgb_hwc)
            assert frame.stddev_hw is not None  # `estimate` gives it always
            height, width = frame.depth_hw.shape
            row, column = height // 2, width // 2
            metres, stddev = frame.depth_hw[row, column], frame.stddev_hw[row, column]
            print(f'\r{metres:5.2f} m +- {stddev:.2f} m ', end='', flush=True)
except DrnetError as error:  # there is no such camera, say
    sys.exit(f'error: {error}')
print()
