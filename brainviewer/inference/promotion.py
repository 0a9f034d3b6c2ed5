"""Switching to other models, and back: refused unless they are better, in one step, noted in the audit log."""

from __future__ import annotations

import numpy as np

from .. import audit
from ..errors import BrainviewerError, BundleError, PromotionError
from . import registry
from .load import load_models
from .registry import Pair

BETTER, EQUAL, WORSE = "better", "equal", "worse"


def objection(pair: Pair) -> str:
    """Why a pair is not promoted without a written reason, in one sentence; "" where nothing speaks against it."""
    now = registry.in_use()
    if not pair.verdict:
        return f'"{pair.id}" was never compared with the models in use.'
    if pair.verdict.get("against_digest") != now.digest:
        return f'"{pair.id}" was compared with "{pair.verdict.get("against", "")}", but "{now.id}" is in use now.'
    if pair.verdict.get("verdict") != BETTER:
        return f'"{pair.id}" is not better than the models in use. {pair.verdict.get("sentence", "")}'.strip()
    return ""


def promote(pair: Pair, reason: str = "") -> Pair:
    """Puts a pair into use; the one before it stays and can be taken back.

    Args:
        reason: why, although something speaks against it; goes into the audit log.

    Returns:
        The pair that was in use until now.

    Raises:
        PromotionError: if something speaks against it and no reason is given.
        BundleError: if the pair is damaged, does not load, or the switch cannot be written; what was in use stays.
    """
    before = registry.in_use()
    if before.id == pair.id:
        raise PromotionError(f'"{pair.id}" is in use already.')
    against, reason = objection(pair), " ".join(reason.split())
    if against and not reason:
        audit.record("promote", "refused", models=pair.id, why=against)
        raise PromotionError(against, "Give a written reason to use it all the same; it goes into the audit log.")
    try:
        try_out(pair)
        digest = "" if pair.origin == registry.BUNDLED else pair.digest
        registry.point(registry.pointer().switched(pair.id, digest))
    except BundleError as error:
        audit.record("promote", "failed", models=pair.id, why=error.sentence)
        raise
    noted = {"override": reason, "objection": against} if against else {}
    audit.record("promote", "done", models=pair.id, instead_of=before.id, **noted)
    return before


def rollback(task: str) -> Pair:
    """Takes back the last promotion that changed the network of a task; both networks of the pair before it are in use again, bit for bit.

    Raises:
        PromotionError: if there is nothing to go back to.
        BundleError: if the earlier pair is damaged, or the switch cannot be written; what is in use stays.
    """
    pointer = registry.pointer()
    current = _network(pointer.pair, pointer.digest, task)
    for position in reversed(range(len(pointer.before))):
        name, digest = pointer.before[position]
        if _network(name, digest, task) == current:
            continue
        pair = registry.resolve(name, digest)
        try_out(pair)
        registry.point(pointer.back_to(position))
        audit.record("roll back", "done", models=name, instead_of=pointer.pair, task=task)
        return pair
    raise PromotionError(f"There is no earlier model to {task} to go back to.")


def _network(name: str, digest: str, task: str) -> str:
    """Hash of a pair's network, or the pair's own name where it cannot be read any more."""
    try:
        return registry.resolve(name, digest).bundle(task).sha256("onnx", "float32")
    except (BundleError, KeyError):
        return name


def try_out(pair: Pair) -> None:
    """Checks every file, loads both networks and asks each about an empty slice.

    Raises:
        BundleError: if anything of that fails.
    """
    pair.verify()
    try:
        models = load_models("onnx", "cpu", "float32", pair.folder)
    except BrainviewerError as error:
        raise BundleError(f'"{pair.id}" does not load. {error.sentence}', error.hint) from None
    try:
        for engine, bundle in ((models.classifier, models.classify_bundle), (models.segmenter, models.segment_bundle)):
            size = bundle.size
            answer = engine(np.zeros((1, size, size, 3), np.float32)).get("probability")
            wanted = (1, 2) if bundle.task == "classify" else (1, size, size, 1)
            if answer is None or answer.shape != wanted or not np.isfinite(answer).all():
                raise BundleError(f'"{bundle.id}" of "{pair.id}" gives no usable answer.')
    except BrainviewerError as error:
        raise BundleError(f'"{pair.id}" does not work. {error.sentence}', error.hint) from None
    finally:
        models.close()
