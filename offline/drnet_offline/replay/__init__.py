"""Recordings through the estimator: every frame, in order, scored against recorded depth."""
