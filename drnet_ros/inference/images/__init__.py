"""Encoded images, raw or compressed, to arrays."""
