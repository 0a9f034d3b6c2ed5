"""Bundles: read, verified, refused with a sentence."""

import json
from pathlib import Path

import pytest

from brainviewer.errors import BundleError
from brainviewer.inference import preprocess
from brainviewer.inference.bundle import SCHEMA, choose_bundle, find_bundles, hash_file, read_bundle


def write(folder: Path, **changes: object) -> Path:
    """A minimal bundle with one file of weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(b"weights")
    document = {
        "schema": SCHEMA,
        "name": "test",
        "version": "1.0.0",
        "task": "segment",
        "input_shape": [256, 256, 3],
        "preprocess": {"name": preprocess.NAME, "version": preprocess.VERSION},
        "labels": ["no tumour", "tumour"],
        "threshold": 0.5,
        "weights": {"onnx": {"float32": {"model": {"file": "model.onnx", "sha256": hash_file(folder / "model.onnx")}}}},
    } | changes
    (folder / "bundle.json").write_text(json.dumps(document))
    return folder


def test_a_whole_bundle(tmp_path: Path) -> None:
    bundle = read_bundle(write(tmp_path / "segment-1.0.0"))
    bundle.verify()
    assert bundle.id == "segment-1.0.0"
    assert bundle.size == 256
    assert bundle.sha256("onnx", "float32") == hash_file(tmp_path / "segment-1.0.0" / "model.onnx")


def test_a_changed_file_is_refused_by_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "segment-1.0.0")
    bundle = read_bundle(folder)
    (folder / "model.onnx").write_bytes(b"Weights")
    with pytest.raises(BundleError, match=r"model\.onnx.*SHA-256"):
        bundle.verify()
    (folder / "model.onnx").unlink()
    with pytest.raises(BundleError, match="incomplete"):
        bundle.verify()


@pytest.mark.parametrize("file", ["../model.onnx", "/etc/passwd", "a/b", "", "..", "c:\\x"])
def test_files_outside_the_bundle_are_refused(tmp_path: Path, file: str) -> None:
    folder = write(tmp_path / "m", weights={"onnx": {"float32": {"model": {"file": file, "sha256": "0"}}}})
    with pytest.raises(BundleError):
        read_bundle(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 1}', '{"weights": 3}', "\x00"])
def test_rubbish_gets_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "bundle.json").write_text(text)
    with pytest.raises(BundleError) as caught:
        read_bundle(tmp_path)
    assert caught.value.sentence.endswith(".")
    assert "bundle.json" in caught.value.sentence


@pytest.mark.parametrize(
    "changes", [{"schema": 99}, {"preprocess": {"name": preprocess.NAME, "version": 99}}, {"task": "paint"}, {"input_shape": "big"}]
)
def test_what_this_program_does_not_understand_is_refused(tmp_path: Path, changes: dict) -> None:
    with pytest.raises(BundleError):
        read_bundle(write(tmp_path / "m", **changes))


def test_the_newest_version_is_taken(tmp_path: Path) -> None:
    for version in ("1.2.0", "1.10.0", "1.9.9"):
        write(tmp_path / f"segment-{version}", version=version)
    assert [path.name for path in find_bundles(tmp_path)] == ["segment-1.2.0", "segment-1.9.9", "segment-1.10.0"]
    assert choose_bundle(tmp_path, "segment").version == "1.10.0"
    with pytest.raises(BundleError, match="no model to classify"):
        choose_bundle(tmp_path, "classify")
