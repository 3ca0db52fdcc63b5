"""Other people's networks, to be timed beside ours; the robot never needs them."""
