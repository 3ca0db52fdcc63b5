"""What runs the network: the interface, and an engine for each library.

`factory` knows all engines. Nothing else in `drnet_ros.inference` names one.
"""

import sys

# By this package OpenVINO's converter tells its makers of each use, over the internet, and keeps
# an id in ~/intel; where it is absent OpenVINO does without. A robot's node reports to nobody.
sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
