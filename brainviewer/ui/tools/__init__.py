"""What can be done in the window, one small object each: see `tool`."""
