"""The log file of the window. No Qt here: a window that cannot load Qt has to say so in it."""

from __future__ import annotations

import logging
import logging.handlers
import sys

from .. import __version__, paths

LOG_BYTES, LOGS_KEPT = 1_000_000, 3


def start_log() -> None:
    """Writes to the log file of the user's folder, from the first call on; without one where that cannot be written."""
    logger = logging.getLogger("brainviewer")
    if any(isinstance(handler, logging.handlers.RotatingFileHandler) for handler in logger.handlers):
        return
    file = paths.log_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=LOGS_KEPT, encoding="utf-8", delay=False)
    except OSError as error:
        logger.warning("There is no log file: %s", error.strerror)
        logger.addHandler(logging.NullHandler())  # else every remark would go to standard error
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.info("brainviewer %s, Python %s, %s", __version__, sys.version.split()[0], sys.platform)
