"""Data sets: every layout yields the same `DepthSample`."""
