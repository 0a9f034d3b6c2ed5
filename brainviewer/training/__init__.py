"""Training and evaluation of the two networks. Nothing here is imported by the viewer, except `run` (standard library only)."""
