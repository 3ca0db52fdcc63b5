"""The ROS 2 side: messages in, messages out; all depth comes from `drnet_ros.inference`."""
