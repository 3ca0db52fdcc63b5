"""Data sets: every layout yields the same `DepthSample`; `opening.open_dataset` opens them all."""
