"""What estimated depth is scored by, image by image."""
