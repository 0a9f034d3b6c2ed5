"""How fast the program is on this machine: each figure as a ratio against a named rival in the same run."""
