"""The guard set: four labelled patients that no model was trained on and that come with the program, so that a retrained model which forgot what
the bundled ones knew is found out. See `resources/guard/README.md`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from .. import paths
from ..errors import TrainingError


def patients() -> list[str]:
    folder = paths.resource("guard")
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


@contextmanager
def unpacked() -> Iterator[Path]:
    """The guard set as a folder in the data set's layout, gone afterwards: what is judged goes through the same readers as any scan.

    Raises:
        TrainingError: if it is missing or damaged.
    """
    found = patients()
    if not found:
        raise TrainingError("The guard set did not come with this installation.", "Install the program again.")
    with tempfile.TemporaryDirectory(prefix="brainviewer-guard-") as scratch:
        for patient in found:
            target = Path(scratch) / patient
            target.mkdir()
            for file in sorted((paths.resource("guard") / patient).glob("*.webp")):
                picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
                if picture is None:
                    raise TrainingError(f'The guard set is damaged: "{file}" cannot be read.', "Install the program again.")
                mask = file.stem.endswith("_mask")
                cv2.imwrite(str(target / f"{file.stem}.tif"), picture[..., 0] if mask else picture)
        yield Path(scratch)
