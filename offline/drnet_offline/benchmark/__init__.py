"""`drnet bench`: frames a second, latency and memory of networks, measured side by side."""
