"""RGB-D odometry fed with recorded and with estimated depth, and what each is worth."""
