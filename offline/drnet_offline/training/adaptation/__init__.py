"""Adapts the weights to a robot by what it recorded itself: `drnet adapt`."""
