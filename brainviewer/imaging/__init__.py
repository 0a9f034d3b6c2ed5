"""Frozen types and pure functions on arrays: numpy, OpenCV and SciPy only."""
