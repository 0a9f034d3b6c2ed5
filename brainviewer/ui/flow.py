"""What happens when: opening, analysing, exporting, cancelling. Submits jobs, and puts their answers into the session."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from ..errors import BrainviewerError
from ..formats.compose import Channels, combined
from ..formats.series import Series
from ..formats.typed_spacing import Spacing, remember
from ..imaging.prediction import Prediction
from ..imaging.volume import Volume
from . import jobs
from .session import Session
from .state import OpenedScan, Phase
from .worker import Outcome, Partial, Progress, Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """Something a message offers to do."""

    text: str
    act: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence for the user, shown inside the window.

    Attributes:
        kind: "info", "done", "warning" or "error".
    """

    kind: str
    sentence: str
    hint: str = ""
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Busy:
    """What is being waited for.

    Attributes:
        text: what happens, in words.
        done, total: total 0 where the end is not known.
        left_s: or None.
    """

    text: str
    done: int = 0
    total: int = 0
    left_s: float | None = None


class Flow(QObject):
    """Signals:
    messaged: Message.
    busy_changed: Busy, or None when nothing is waited for.
    path_opened: Path that was opened with success.
    thumbnail_made: (series key, (H, W, 3) uint8).
    open_failed: a scan could not be opened, or its opening was cancelled; the one on screen stays.
    exported: ExportDone or CaseDone.
    edits_found: (ScanMark, Found) of the scan on screen: what was drawn on it before.
    """

    messaged = Signal(object)
    busy_changed = Signal(object)
    path_opened = Signal(object)
    thumbnail_made = Signal(object)
    open_failed = Signal()
    exported = Signal(object)
    edits_found = Signal(object)

    def __init__(
        self,
        session: Session,
        loader: Worker,
        analyst: Worker,
        writer: Worker,
        keeper: Worker,
        backend: jobs.Backend | None = None,
        choice: jobs.EngineChoice | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.session = session
        self.analyse_on_open = True
        self._loader, self._analyst, self._writer, self._keeper = loader, analyst, writer, keeper
        self._backend = backend or jobs.Backend()
        self._choice = choice or jobs.EngineChoice()
        self._shelf = jobs.Shelf(self._backend)
        self._open_ticket = self._thumbnail_ticket = self._analyse_ticket = self._refine_ticket = self._export_ticket = self._edits_ticket = 0
        self._opening: Path | None = None
        self._opening_name = ""
        self._thumbnails_wanted: list[Series] = []
        self._busy: dict[int, Busy] = {}
        for worker in (loader, analyst, writer, keeper):
            worker.progressed.connect(self._on_progressed)
            worker.shared.connect(self._on_shared)
            worker.succeeded.connect(self._on_succeeded)
            worker.failed.connect(self._on_failed)
            worker.cancelled.connect(self._on_cancelled)

    def close(self) -> None:
        """Ends all work and the threads; the models are freed once nothing can use them.

        Raises:
            RuntimeError: if a thread does not end in time.
        """
        workers = (self._loader, self._analyst, self._writer, self._keeper)
        self._open_ticket = self._thumbnail_ticket = self._analyse_ticket = self._refine_ticket = self._export_ticket = 0
        for worker in workers:
            worker.cancel()
        for worker in workers:
            worker.close()
        self._shelf.close()

    # Opening

    @Slot(object)
    def open_path(self, path: Path) -> None:
        """Opens a file or folder; the present scan stays until the new one is there."""
        self._opening, self._opening_name = path, path.name or str(path)
        self._open_ticket = self._loader.submit(partial(jobs.open_path, self._backend, path))
        self._set_busy(self._open_ticket, Busy(self.tr('Opening "{}"').format(self._opening_name)))

    @Slot(object)
    def open_series(self, series: Series) -> None:
        """Opens another series of what is listed."""
        session = self.session
        if session.listing is None or (session.scan is not None and session.scan.series is series):
            return
        self._opening, self._opening_name = None, series.description or series.key
        self._open_ticket = self._loader.submit(partial(jobs.open_series, self._backend, session.listing, series))
        self._set_busy(self._open_ticket, Busy(self.tr('Opening "{}"').format(self._opening_name)))

    @Slot(object)
    def open_channels(self, channels: Channels) -> None:
        """Opens up to three series as one scan, which the list holds from then on."""
        listing = self.session.listing
        if listing is None:
            return
        series = combined(channels)
        listing = replace(listing, series=(series, *(other for other in listing.series if other.key != series.key)))
        self._opening, self._opening_name = None, series.description
        self._open_ticket = self._loader.submit(partial(jobs.open_series, self._backend, listing, series))
        self._set_busy(self._open_ticket, Busy(self.tr('Opening "{}"').format(self._opening_name)))

    @Slot()
    def close_scan(self) -> None:
        self._loader.cancel()
        self._analyst.cancel()
        self._open_ticket = self._thumbnail_ticket = self._analyse_ticket = self._refine_ticket = 0
        self._keep_busy_of(self._export_ticket)
        self.session.close()

    def _show(self, opened: OpenedScan) -> None:
        pending = {id(series) for series in self._thumbnails_wanted}
        pictured = {id(series) for series in self.session.listing.series} - pending if self.session.listing is not None else set()
        self._analyst.cancel()
        self._analyse_ticket = self._refine_ticket = 0
        self.session.open(opened)
        self.thumbnail_made.emit((opened.series.key, opened.thumbnail))
        self._thumbnails_wanted = [s for s in opened.listing.series if s is not opened.series and id(s) not in pictured]
        if self._opening is not None:
            self.path_opened.emit(self._opening)
        if opened.notes:
            self.messaged.emit(Message("warning", opened.notes[0], self.tr("The next series is shown instead.")))
        self._go_on()

    def _go_on(self, interrupted: bool = False) -> None:
        """The work that a scan on screen brings with it, and an analysis that a preview interrupted."""
        if self.session.analysis.phase is Phase.FINISHED:
            self._refine()
        elif interrupted or (self.analyse_on_open and self.session.analysis.phase is Phase.NONE):
            self.analyse()
        self._make_thumbnails()

    def _show_preview(self, preview: OpenedScan) -> None:
        self._analyst.cancel()
        self._analyse_ticket = self._refine_ticket = 0
        self._keep_busy_of(self._open_ticket, self._export_ticket)
        self.session.show_preview(preview)

    def _stop_opening(self) -> None:
        """What was to be opened could not, or is not to be."""
        self.open_failed.emit()
        if self.session.preview is not None:
            self._go_on(interrupted=self.session.end_preview())
        else:
            self._make_thumbnails()

    def _make_thumbnails(self) -> None:
        if self._thumbnails_wanted:
            job = partial(jobs.thumbnails, self._backend, tuple(self._thumbnails_wanted))
            self._thumbnail_ticket = self._loader.submit(job, background=True)

    # Analysing

    @Slot()
    def analyse(self) -> None:
        """Analyses the scan on screen, from the slice on screen outward."""
        session = self.session
        if session.scan is None or session.scan.volume.refusal:
            return
        session.start_analysis()
        order = outward(session.z, len(session.predictions))
        job = partial(jobs.analyse_scan, self._backend, self._shelf, self._choice, session.scan.volume, order)
        self._analyse_ticket = self._analyst.submit(job)
        self._set_busy(self._analyse_ticket, Busy(self.tr("Starting the models")))

    @Slot()
    def use_other_models(self) -> None:
        """Other models are in use now: the answers of those before are forgotten, and a scan that had some is analysed anew."""
        self._shelf.forget()
        self.session.forget_answers()
        if self.analysing or self.session.result is not None:
            self.analyse()

    def _refine(self) -> None:
        session = self.session
        if session.scan is None or session.result is None:
            return
        order = [z for z in outward(session.z, len(session.predictions)) if _unmapped(session.predictions[z])]
        if not order:
            return
        job = partial(jobs.refine_scan, self._backend, self._shelf, self._choice, session.scan.volume, session.models_result, order)
        self._refine_ticket = self._analyst.submit(job, background=True)

    @property
    def keep_results(self) -> bool:
        """Whether the models' answers are kept for scans that are opened again."""
        return self._choice.keep

    @keep_results.setter
    def keep_results(self, keep: bool) -> None:
        self._choice = replace(self._choice, keep=keep)

    def forget_results(self) -> None:
        """Removes all kept answers; says so."""
        try:
            jobs.forget_results()
        except BrainviewerError as error:
            self._say(error)
        else:
            self.messaged.emit(Message("done", self.tr("The kept results were removed. What is on screen stays.")))

    @property
    def analysing(self) -> bool:
        return self.session.analysis.phase is Phase.RUNNING

    # Exporting

    @Slot(object)
    def export(self, order: jobs.ExportOrder) -> None:
        """Writes what was chosen; what cannot be written is said in a message."""
        self._export_ticket = self._writer.submit(partial(jobs.export, order))
        self._set_busy(self._export_ticket, Busy(self.tr("Exporting"), 0, len(order.slices)))

    def export_case(self, order: jobs.CaseOrder) -> None:
        """Writes a labelled case for training."""
        self._export_ticket = self._writer.submit(partial(jobs.export_case, order))
        self._set_busy(self._export_ticket, Busy(self.tr("Writing the case"), 0, 0))

    @property
    def exporting(self) -> bool:
        return self._export_ticket in self._busy

    # What was drawn

    def find_edits(self, volume: Volume) -> None:
        """Looks for what was drawn on a scan before."""
        self._edits_ticket = self._keeper.submit(partial(jobs.find_edits, volume))

    # Spacing

    def assume_spacing(self, spacing: Spacing | None) -> None:
        """A spacing that was typed for the scan on screen, (dz, dy, dx) in mm, or None; it is remembered for it."""
        self.session.assume_spacing(spacing)
        if self.session.volume is not None:
            try:
                remember(self.session.volume)
            except BrainviewerError as error:
                self._say(error)

    # Cancelling

    @Slot()
    def cancel(self) -> bool:
        """Stops what is waited for most, the one that `busy` names; whether there was anything. What is finished stays."""
        if self._open_ticket in self._busy:
            self._loader.cancel(self._open_ticket)
        elif self._export_ticket in self._busy:
            self._writer.cancel(self._export_ticket)
        elif self.analysing or self._refine_ticket in self._busy:
            self._analyst.cancel()
        else:
            return False
        return True

    @property
    def busy(self) -> Busy | None:
        """What is waited for most: opening, then exporting, then analysing."""
        for ticket in (self._open_ticket, self._export_ticket, self._analyse_ticket, self._refine_ticket):
            if ticket in self._busy:
                return self._busy[ticket]
        return None

    def _set_busy(self, ticket: int, busy: Busy | None) -> None:
        if busy is None:
            self._busy.pop(ticket, None)
        else:
            self._busy[ticket] = busy
        self._keep_busy_of(self._open_ticket, self._export_ticket, self._analyse_ticket, self._refine_ticket)

    def _keep_busy_of(self, *tickets: int) -> None:
        self._busy = {ticket: busy for ticket, busy in self._busy.items() if ticket in tickets}
        self.busy_changed.emit(self.busy)

    # Answers from the workers; tickets that are not the latest of their kind are too late

    @Slot(object)
    def _on_progressed(self, progress: Progress) -> None:
        if progress.ticket == self._open_ticket:
            text = self.tr('Looking through "{}"') if progress.note == "looking" else self.tr('Reading "{}"')
            text = text.format(self._opening_name)
        elif progress.ticket == self._analyse_ticket:
            text = self.tr("Starting the models") if progress.note == "models" else self.tr("Analysing")
        elif progress.ticket == self._refine_ticket:
            text = self.tr("Filling in the heat map")
        elif progress.ticket == self._export_ticket:
            text = self.tr("Exporting")
        else:
            return
        done = max(progress.done, self.session.analysis.done) if progress.ticket == self._analyse_ticket and progress.total else progress.done
        self._set_busy(progress.ticket, Busy(text, done, progress.total, progress.left_s))

    @Slot(object)
    def _on_shared(self, partial_: Partial) -> None:
        value = partial_.value
        if partial_.ticket == self._thumbnail_ticket:
            self._thumbnails_wanted = [s for s in self._thumbnails_wanted if s.key != value[0]]
            if value[1] is not None:
                self.thumbnail_made.emit(value)
        elif partial_.ticket == self._open_ticket:
            self._show_preview(value)
        elif partial_.ticket not in (self._analyse_ticket, self._refine_ticket):
            return
        elif isinstance(value, Prediction):
            self.session.put_prediction(value)
        elif isinstance(value, jobs.ModelsReady):
            self.session.set_engine(value.facts)
            self.session.propose_threshold(value.threshold)

    @Slot(object)
    def _on_succeeded(self, outcome: Outcome) -> None:
        ticket = outcome.ticket
        self._set_busy(ticket, None)
        if ticket == self._open_ticket:
            self._show(outcome.result)
        elif ticket == self._analyse_ticket:
            self.session.finish_analysis(outcome.result)
            if outcome.result.notes:
                self.messaged.emit(Message("warning", outcome.result.notes[0], " ".join(outcome.result.notes[1:])))
            self._refine()
        elif ticket == self._export_ticket:
            self.exported.emit(outcome.result)
        elif ticket == self._edits_ticket:
            self.edits_found.emit(outcome.result)

    @Slot(object)
    def _on_failed(self, outcome: Outcome) -> None:
        ticket, error = outcome.ticket, outcome.error
        self._set_busy(ticket, None)
        assert error is not None
        if ticket == self._open_ticket:
            self._stop_opening()
            self._say(error)
        elif ticket == self._analyse_ticket:
            self.session.end_analysis(Phase.FAILED)
            self._say(error, Choice(self.tr("Try again"), self.analyse))
        elif ticket in (self._refine_ticket, self._export_ticket):
            self._say(error)

    @Slot(object)
    def _on_cancelled(self, outcome: Outcome) -> None:
        ticket = outcome.ticket
        self._set_busy(ticket, None)
        if ticket == self._analyse_ticket:
            self.session.end_analysis(Phase.STOPPED)
        elif ticket == self._export_ticket:
            self.messaged.emit(Message("info", self.tr("The export was stopped; nothing was written.")))
        elif ticket == self._open_ticket:
            self._stop_opening()

    def _say(self, error: BrainviewerError, *choices: Choice) -> None:
        self.messaged.emit(Message("error", error.sentence, error.hint, choices))


def _unmapped(prediction: Prediction | None) -> bool:
    return prediction is None or prediction.mask is None


def outward(start: int, count: int) -> list[int]:
    """All indices from 0 to `count` - 1, `start` first, then its neighbours, outward."""
    return sorted(range(count), key=lambda z: (abs(z - start), z < start))
