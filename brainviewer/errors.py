"""Errors that people read: one sentence that says what happened to which file, and a hint that says what to do."""

from __future__ import annotations


class BrainviewerError(Exception):
    """Base of everything the program raises on purpose.

    Attributes:
        sentence: what happened, to what; ends with a full stop.
        hint: what to do about it, or "".
    """

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.sentence} {self.hint}".strip()


class ReadError(BrainviewerError):
    """A file or folder could not be read as a scan."""


class WriteError(BrainviewerError):
    """A result could not be written."""


class BundleError(BrainviewerError):
    """A model bundle is missing, damaged or not what it says."""


class PromotionError(BrainviewerError):
    """Models are not put into use, because something speaks against it."""


class EngineError(BrainviewerError):
    """No engine could be started, or one failed."""


class RefusalError(BrainviewerError):
    """A scan is shown, but analysing it would give a false answer."""


class TrainingError(BrainviewerError):
    """A training run cannot start or go on."""


class AccessError(BrainviewerError):
    """The door to administration stays shut."""


class Cancelled(Exception):  # noqa: N818 - not an error: someone asked to stop
    """Raised inside a job when someone asked it to stop."""
