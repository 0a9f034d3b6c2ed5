"""brainviewer: shows whether, and where, a brain MRI shows a tumour. Research use only."""

__version__ = "0.1.0"
