"""rosbag2 and ROS 1 recordings, read without ROS."""
