"""From files to `Volume`s: three readers, tried in order, one listing and one opening function.

A path becomes a `Volume` here and nowhere else. Whatever orientation, order or numbers a file has, what leaves this package is the
displayed volume (see `imaging.volume`).
"""

from __future__ import annotations

from .series import Ignored, Reader, ScanListing, Series, describe, find_series, nothing_found, open_volume, scan

__all__ = ["Ignored", "Reader", "ScanListing", "Series", "describe", "find_series", "nothing_found", "open_volume", "scan"]
