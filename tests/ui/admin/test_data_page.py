"""Checking data in the window: what is asked of the command, and what is shown of its answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QProgressBar

from brainviewer import audit
from brainviewer.errors import BrainviewerError
from brainviewer.ui.admin import data_page
from brainviewer.ui.admin.check_report import CheckReport, read_report
from brainviewer.ui.admin.data_page import FINDING, DataPage
from brainviewer.ui.worker import Progress, Worker

from .conftest import FakeChild

TIMEOUT_MS = 20_000


def finding(kind: str, patient: str, file: str, place: int | None, sentence: str) -> dict:
    return {"kind": kind, "patient": patient, "file": file, "slice": place, "sentence": sentence}


def document(**changes: Any) -> dict:
    """As `brainviewer explore` writes it."""
    patients = [
        {"patient": "p1", "slices": 6, "labelled": 6, "tumour": 2, "tumour_px": 1500, "tumour_ml": None, "notes": []},
        {"patient": "p2", "slices": 6, "labelled": 5, "tumour": 3, "tumour_px": 4200, "tumour_ml": None, "notes": []},
    ]
    whole = {
        "slices": 12,
        "slices_labelled": 11,
        "slices_with_tumour": 5,
        "findings": [
            finding("missing-mask", "p2", "data/p2/p2_4.tif", 3, '"p2_4.tif" has no mask beside it.'),
            finding("mask-misaligned", "p1", "data/p1/p1_3.tif", 2, "1 mask lies outside the head."),
        ],
        "headings": {"missing-mask": "Slices without a mask", "mask-misaligned": "Masks that lie outside the head"},
        "left_out": ['1 slice of "p2": without a usable mask.'],
        "intensities": {name: {"scans": 2, "low": [0, 0], "middle": [0.4, 0.6], "high": [1, 1]} for name in ("here", "bundled")},
        "per_patient": patients,
        "files": ["findings.json", "overlays.png"],
    }
    return whole | changes


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two patients of six slices, the second without one mask."""
    folder = tmp_path / "data"
    for patient in ("p1", "p2"):
        (folder / patient).mkdir(parents=True)
        for n in range(1, 7):
            image = np.full((32, 24, 3), 20 * n, np.uint8)
            cv2.imwrite(str(folder / patient / f"{patient}_{n}.tif"), image)
            if (patient, n) != ("p2", 4):
                mask = np.zeros((32, 24), np.uint8)
                mask[10:16, 8:14] = 255 * (n in (2, 3))
                cv2.imwrite(str(folder / patient / f"{patient}_{n}_mask.tif"), mask)
    return folder


@pytest.fixture
def page(shown: Callable[[Any], Any], worker: Worker, data: Path) -> DataPage:
    return shown(DataPage(worker, lambda *_: data, FakeChild))


def answer(page: DataPage, written: dict) -> None:
    """What the command does at its end."""
    out = data_page.out_folder()
    out.mkdir(parents=True, exist_ok=True)
    (out / "findings.json").write_text(json.dumps(written))
    cv2.imwrite(str(out / "overlays.png"), np.full((40, 200, 3), 90, np.uint8))
    page._child.succeed(written)


def test_the_button_starts_the_command(page: DataPage, data: Path) -> None:
    page.choose_button.click()
    assert page._child.asked == [["explore", str(data), "--out", str(data_page.out_folder()), *data_page.OPTIONS]]
    assert page.cancel_button.isVisible()
    assert not page.choose_button.isVisible()
    page._child.progressed.emit(Progress(0, 1, 2, "p1", 7.0))
    assert page.findChild(QLabel, "dataDropLabel").text() == "Checking 1 of 2, 7 s left"
    bar = page.drop.findChild(QProgressBar)
    assert (bar.value(), bar.maximum()) == (1, 2)


def test_a_second_folder_waits_for_the_first(page: DataPage, data: Path) -> None:
    page.check(data)
    page.check(data.parent)
    assert len(page._child.asked) == 1
    assert page.folder == data


def test_the_answer_is_shown(qtbot: Any, page: DataPage, data: Path) -> None:
    with qtbot.waitSignal(page.checked, check_params_cb=lambda report: report is not None, timeout=TIMEOUT_MS):
        page.check(data)
        answer(page, document())
    assert page.tiles.accessibleDescription() == "2 patients, 12 slices, 5 with tumour, 6 without tumour, 1 without a usable mask, 2 findings"
    assert [page.list.item(n).text() for n in range(page.list.count())] == [
        "Slices without a mask (1)",
        '"p2_4.tif" has no mask beside it.',
        "Masks that lie outside the head (1)",
        "1 mask lies outside the head.",
    ]
    assert page.left_out.text() == '1 slice of "p2": without a usable mask.'
    x, y = page.brightness.curves["this data"].getData()
    assert (list(x), list(y)) == ([0.25, 0.75], [0.4, 0.6])
    assert page.slices_chart.accessibleDescription() == "p2: 3 + 2; p1: 2 + 4"
    assert page.sizes_chart.accessibleDescription() == "p2: 4.2; p1: 1.5"
    assert page.pictures["overlays.png"].isVisible()
    assert not page.pictures["scans.png"].isVisible()
    assert page.again_button.isVisible()
    last = list(audit.read())[-1]
    assert (last.what, last.result, last.about) == ("check data", "done", {"patients": 2, "slices": 12, "findings": 2})


def test_a_click_on_a_finding_shows_its_slice(qtbot: Any, page: DataPage, data: Path) -> None:
    page.check(data)
    answer(page, document())
    item = page.list.item(3)
    page.list.scrollToItem(item)
    qtbot.mouseClick(page.list.viewport(), Qt.MouseButton.LeftButton, pos=page.list.visualItemRect(item).center())
    qtbot.waitUntil(lambda: not page.slice.image.isNull(), timeout=TIMEOUT_MS)
    assert page.slice_words.text() == "p1, slice 3 of 6"
    assert page.slice.image.width() == 2 * 24  # the scan, and beside it the scan with its mask
    page.list.setCurrentRow(1)
    qtbot.waitUntil(lambda: page.slice_words.text() == "p2, slice 4 of 6, without a mask", timeout=TIMEOUT_MS)
    assert page.slice.image.width() == 24


def test_a_heading_is_no_finding(page: DataPage, data: Path) -> None:
    page.check(data)
    answer(page, document())
    assert page.list.item(0).data(FINDING) is None
    assert page.list.item(0).flags() == Qt.ItemFlag.NoItemFlags


def test_a_file_that_was_not_read_cannot_be_shown(qtbot: Any, page: DataPage, data: Path) -> None:
    page.check(data)
    answer(
        page,
        document(
            findings=[finding("unreadable", "p1", "data/p1/p1_99.tif", None, "It is cut short.")],
            headings={"unreadable": "Files that cannot be read"},
        ),
    )
    page.list.setCurrentRow(1)
    qtbot.waitUntil(lambda: "cannot be shown" in page.slice_words.text(), timeout=TIMEOUT_MS)
    assert page.slice.image.isNull()


def test_nothing_wrong_is_said(page: DataPage, data: Path) -> None:
    page.check(data)
    answer(page, document(findings=[], headings={}, slices=11))
    assert page.clean.isVisible()
    assert not page.list.isVisible()


@pytest.mark.parametrize(("tumour", "words"), [(0, "there is nothing to learn from"), (11, "the classifier would learn nothing")])
def test_one_class_only_is_a_warning(page: DataPage, data: Path, tumour: int, words: str) -> None:
    page.check(data)
    answer(page, document(slices_with_tumour=tumour))
    assert page.message.isVisible()
    assert words in page.message.sentence.text()


def test_a_wrong_folder_is_one_sentence(page: DataPage, data: Path) -> None:
    page.check(data)
    page._child.fail(BrainviewerError('"data" holds no scan.', "Choose the folder above."))
    assert page.message.sentence.text() == '"data" holds no scan.'
    assert page.message.hint.text() == "Choose the folder above."
    assert page.report is None
    assert page.choose_button.isVisible()
    assert list(audit.read())[-1].result == "failed"


def test_cancel_keeps_nothing(page: DataPage, data: Path) -> None:
    page.check(data)
    page.cancel_button.click()
    assert page.message.sentence.text().startswith("The check was stopped.")
    assert page.report is None
    assert list(audit.read())[-1].result == "cancelled"


def test_an_answer_that_is_cut_short(page: DataPage, data: Path, tmp_path: Path) -> None:
    page.check(data)
    answer(page, {"slices": 3})
    assert "cannot be read" in page.message.sentence.text()


def test_millilitres_where_every_size_is_known(tmp_path: Path) -> None:
    rows = [row | {"tumour_ml": 2.5} for row in document()["per_patient"]]
    (tmp_path / "findings.json").write_text(json.dumps(document(per_patient=rows)))
    report: CheckReport = read_report(tmp_path, tmp_path)
    assert report.unit == "ml"
    assert [row.size for row in report.patients] == [2.5, 2.5]


@pytest.mark.slow
def test_the_real_command(qtbot: Any, shown: Callable[[Any], Any], worker: Worker, data: Path) -> None:
    page = shown(DataPage(worker, lambda *_: data))
    with qtbot.waitSignal(page.checked, check_params_cb=lambda report: report is not None, timeout=120_000):
        page.check(data)
        page._child.failed.connect(lambda error: pytest.fail(str(error)))
    assert page.report is not None
    assert [row.patient for row in page.report.patients] == ["p1", "p2"]
    assert any(found.kind == "missing-mask" for found in page.report.findings)
    assert page.pictures["overlays.png"].isVisible()
