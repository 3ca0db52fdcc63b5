"""ROS messages to arrays and back, without ROS: for messages of rclpy and of recordings alike."""
