"""Metric depth from one ordinary camera, with the Double Refinement Network.

The package has three floors, and imports only go down: `drnet_ros.node` (ROS 2) stands on
`drnet_ros.inference` (image and camera in, depth out; plain numpy, no ROS), which stands on
`drnet_ros.network` (the network itself and its weights files). `drnet_ros.recordings` (rosbag2
and ROS 1 files, read without ROS) is at the height of `inference`; neither imports the other.
Importing this package alone imports none of them.
"""

__version__ = '0.1.0'
