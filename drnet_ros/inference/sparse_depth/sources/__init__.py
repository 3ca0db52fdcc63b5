"""Where sparse depth comes from: transforms, readings of sensors, and odometry; without ROS."""
