"""brainviewer: shows whether, and where, a brain MRI shows a tumour. Research use only."""

import os

__version__ = "0.1.0"

# ONNX Runtime's own builds send events to its maker, and keep a number for this computer, unless this is set before they are first loaded.
# Nothing leaves this computer: so it is set here, before any module of the program can load them, and child processes inherit it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
