"""Training, evaluation and export of the network that drnet_ros runs."""

import drnet_ros.inference.engines  # noqa: F401 - before OpenVINO, whose reports to its makers that stops
