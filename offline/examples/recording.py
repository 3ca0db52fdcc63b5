"""Depth of the images of a recording: python recording.py BAG medians.csv"""

import sys
from pathlib import Path

import numpy as np

from drnet_offline.replay.frames import read_frames
from drnet_offline.replay.index import index_recording
from drnet_ros.errors import DrnetError
from drnet_ros.inference import DepthEstimator, Frame
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

if len(sys.argv) != 3:
    sys.exit(__doc__)
try:
    lines = ['stamp_ns,median_m']
    with Recording(sys.argv[1]) as recording, DepthEstimator() as estimator:
        index = index_recording(recording, choose_topics(recording.topics), tolerance_s=0.02)
        for recorded in read_frames(index):
            if recorded.rgb_hwc is None:  # it could not be decoded: recorded.problems says why
                continue
            frame = Frame(recorded.rgb_hwc, recorded.camera, stamp_ns=recorded.stamp_ns)
            (depth,) = estimator.submit([frame]).result()
            lines.append(f'{recorded.stamp_ns},{np.nanmedian(depth.depth_hw):.3f}')
    Path(sys.argv[2]).write_text('\n'.join(lines) + '\n', encoding='utf-8')
    print(f'{len(lines) - 1} images')
except (DrnetError, OSError) as error:  # a file that is not there, say
    sys.exit(f'error: {error}')
