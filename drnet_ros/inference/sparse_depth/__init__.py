"""Sparse metric depth: what a robot knows of its surroundings fixes the scale of what it sees."""
