"""Training, evaluation and export of the network that drnet_ros runs."""
