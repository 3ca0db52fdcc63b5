"""Depth of each frame of a video: python video.py clip.mp4 medians.csv"""

import sys
from pathlib import Path

import numpy as np

from drnet_ros.errors import DrnetError
from drnet_ros.inference import DepthEstimator, Frame, Settings
from drnet_ros.recordings.video import Video

if len(sys.argv) != 3:
    sys.exit(__doc__)
try:
    lines = ['seconds,median_m']
    with Video(sys.argv[1]) as video, DepthEstimator(Settings(temporal_filter=0.5)) as estimator:
        for shown in video:
            # The filter needs the time of each frame.
            frame = Frame(shown.rgb_hwc, stamp_ns=shown.stamp_ns)
            (depth,) = estimator.submit([frame]).result()
            lines.append(f'{shown.stamp_ns / 1e9:.3f},{np.nanmedian(depth.depth_hw):.3f}')
    Path(sys.argv[2]).write_text('\n'.join(lines) + '\n', encoding='utf-8')
    print(f'{len(lines) - 1} frames')
except (DrnetError, OSError) as error:  # a file that is not there, say
    sys.exit(f'error: {error}')
