"""A pair of models travels as one file; a crafted file is refused with a sentence and leaves nothing behind."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brainviewer import audit, paths
from brainviewer.errors import BundleError, WriteError
from brainviewer.inference import contents, exchange, registry
from brainviewer.inference.registry import Pair

pytestmark = pytest.mark.engine
SEGMENT = "segment-2.0.0"
Files = dict[str, bytes]


@pytest.fixture
def file(add_pair: Callable[..., Pair], tmp_path: Path) -> Path:
    """An honest file; the pair in it is not here any more."""
    pair = add_pair()
    exported = exchange.export_pair(pair, tmp_path / "out" / "models.bvmodel")
    registry.remove(pair)
    return exported


def read(file: Path) -> Files:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(file: Path, files: Files, *, honest: bool = True, change: Callable[[dict], object] = lambda manifest: None, packed: int = 0) -> Path:
    """A file with other contents; `honest`: its list, and the hashes in each bundle.json, fit them."""
    files = dict(files)
    manifest = json.loads(files.pop("manifest.json"))
    if honest:
        for name in [name for name in files if name.endswith("bundle.json")]:
            document = json.loads(files[name])
            for entry in _entries(document["weights"]):
                entry["sha256"] = _hash(files.get(f"{name.split('/')[0]}/{entry['file']}", b""))
            files[name] = json.dumps(document).encode()
        manifest["files"] = {name: {"bytes": len(data), "sha256": _hash(data)} for name, data in files.items()}
    change(manifest)
    with zipfile.ZipFile(file, "w", packed) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, data in files.items():
            archive.writestr(name, data)
    return file


def _entries(node: object) -> list[dict]:
    if isinstance(node, dict):
        return [node] if "sha256" in node else [entry for value in node.values() for entry in _entries(value)]
    return []


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def refused(file: Path, words: str) -> None:
    with pytest.raises(BundleError, match=words):
        exchange.import_pair(file)
    assert registry.user_pairs() == []
    assert list(paths.user_models().iterdir()) == []
    assert list(audit.read())[-1].result == "refused"


def test_there_and_back(file: Path) -> None:
    pair = exchange.import_pair(file)
    assert pair.id == "segment-2.0.0"
    assert pair.origin == "import"
    assert pair.verdict == {}
    assert registry.in_use().id == "bundled"
    pair.verify()
    with pytest.raises(BundleError, match="here already"):
        exchange.import_pair(file)
    assert {name.split("/")[0] for name in read(file)} == {"manifest.json", "classify-1.0.0", SEGMENT}


def test_the_programs_own_can_be_exported_too(bundled: Path, tmp_path: Path) -> None:
    file = exchange.export_pair(registry.bundled_pair(), tmp_path / "own.bvmodel")
    with pytest.raises(BundleError, match='here already, as "bundled"'):
        exchange.import_pair(file)


def test_a_damaged_pair_is_not_exported(add_pair: Callable[..., Pair], tmp_path: Path) -> None:
    pair = add_pair()
    (pair.folder / SEGMENT / "weights.npz").unlink()
    with pytest.raises(BundleError, match="incomplete"):
        exchange.export_pair(pair, tmp_path / "x.bvmodel")
    assert not list(tmp_path.glob("*bvmodel*"))


def test_where_it_cannot_be_written(add_pair: Callable[..., Pair], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="could not be written"):
        exchange.export_pair(add_pair(), tmp_path / "file" / "x.bvmodel")


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x03\x04" + bytes(40)])
def test_what_is_no_file_of_models(tmp_path: Path, bundled: Path, data: bytes) -> None:
    file = tmp_path / "x.bvmodel"
    file.write_bytes(data)
    refused(file, "not a file of models")


def test_a_file_that_is_not_there(tmp_path: Path, bundled: Path) -> None:
    refused(tmp_path / "nothing", "There is no file")


def test_every_cut_is_refused(file: Path, tmp_path: Path) -> None:
    data = file.read_bytes()
    for end in range(0, len(data), max(1, len(data) // 9)):
        cut = tmp_path / "cut.bvmodel"
        cut.write_bytes(data[:end])
        refused(cut, "not a file of models|damaged|no file of models")


@pytest.mark.parametrize(
    "name",
    ["../evil.json", "/etc/evil.json", "segment-2.0.0/../../evil.json", "segment-2.0.0\\evil.json", "C:/evil.json", "segment-2.0.0/sub/evil.json",
     "segment-2.0.0/evil.py", "segment-2.0.0/evil.pkl", "segment-2.0.0/evil.h5", "segment-2.0.0/evil.keras", "other/model.onnx", "evil.json",
     "segment-2.0.0/.hidden.json", "segment-2.0.0/"],
)  # fmt: skip
def test_names_that_lead_elsewhere_or_are_no_models(file: Path, name: str) -> None:
    refused(write(file, read(file) | {name: b"{}"}), "is not one of a model|in an unknown way")


def test_names_that_differ_by_case_only(file: Path) -> None:
    refused(write(file, read(file) | {f"{SEGMENT}/MODEL.onnx": b"x"}), "a name occurs twice")


def test_a_changed_byte(file: Path) -> None:
    files = read(file)
    name = f"{SEGMENT}/weights.npz"
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])
    refused(write(file, files, honest=False), "SHA-256 differs")


def test_lists_that_do_not_fit(file: Path) -> None:
    files = read(file)
    refused(write(file, files, change=lambda m: m["files"].pop(f"{SEGMENT}/weights.npz")), "is not what it holds")
    refused(write(file, files, change=lambda m: m["files"][f"{SEGMENT}/weights.npz"].update(bytes=7)), "not as large as listed")
    refused(write(file, files, change=lambda m: m.update(id="../x")), "makes no sense")
    refused(write(file, files, change=lambda m: m.update(id="bundled")), "makes no sense")
    refused(write(file, files, change=lambda m: m.update(trained=["moon"])), "makes no sense")
    refused(write(file, files, change=lambda m: m.update(files=3)), "makes no sense")
    refused(write(file, files, change=lambda m: m.update(version=99)), "another version")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.json", "{}")
    refused(file, "no file of models")


def test_bombs_and_giants(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = read(file)
    monkeypatch.setattr(exchange, "LARGEST_BYTES", 2**20)
    refused(write(file, files | {f"{SEGMENT}/more.png": bytes(2**21)}, packed=zipfile.ZIP_DEFLATED), "would need more than 1 MB")
    monkeypatch.undo()
    many = {f"{SEGMENT}/n{n}.json": b"{}" for n in range(exchange.MOST_FILES)}
    refused(write(file, files | many), "holds 7")
    swollen = io.BytesIO()
    with zipfile.ZipFile(swollen, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("kernel.npy", npy(np.zeros(4, np.float32)) + bytes(2**22))
    refused(write(file, files | {f"{SEGMENT}/weights.npz": swollen.getvalue()}), "not as large as it says")
    monkeypatch.setattr(contents, "LARGEST_BYTES", 2**20)
    refused(write(file, files | {f"{SEGMENT}/weights.npz": npz(kernel=np.zeros(2**20, np.float32))}), "too much memory")


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


class Evil:
    def __reduce__(self) -> tuple:
        return (exec, ("raise SystemExit('executed')",))


def test_pickles(file: Path) -> None:
    files = read(file)
    stream = io.BytesIO()
    np.savez(stream, kernel=np.array([Evil()], dtype=object))
    refused(write(file, files | {f"{SEGMENT}/weights.npz": stream.getvalue()}), "something else than numbers")
    with zipfile.ZipFile(stream := io.BytesIO(), "w") as archive:
        archive.writestr("data.pkl", b"cos\nsystem\n")
    refused(write(file, files | {f"{SEGMENT}/weights.npz": stream.getvalue()}), "is no array")
    refused(write(file, files | {f"{SEGMENT}/weights.npz": b"\x80\x04."}), "cannot be read")


LAMBDA = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "..."}}}}


@pytest.mark.parametrize(
    "layer",
    [
        LAMBDA,
        {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp/x"}},
        {"module": "os", "class_name": "system", "config": "id"},
        {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"},
        {"module": "keras.layers", "class_name": "Conv2D", "config": {"activation": {"class_name": "function", "module": "builtins", "config": "x"}}},
        {"module": "keras.layers", "class_name": "Conv2D", "config": {}, "registered_name": "evil>Conv2D"},
        {"module": ["keras"], "class_name": "Conv2D"},
        {"class_name": "Lambda", "config": {}},
    ],
)
def test_layers_that_could_execute_something(file: Path, layer: dict) -> None:
    text = json.dumps({"module": "keras", "class_name": "Functional", "config": {"layers": [layer]}})
    refused(write(file, read(file) | {f"{SEGMENT}/architecture.json": text.encode()}), "no layer that only computes")


def onnx_bytes(change: Callable[[object], object], model: bytes) -> bytes:
    import onnx

    graph = onnx.load_from_string(model)
    change(graph)
    return graph.SerializeToString()


def _external(model: object) -> None:
    from onnx import TensorProto

    tensor = model.graph.initializer[0]  # type: ignore[attr-defined]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../etc/passwd"


def _external_in_a_branch(model: object) -> None:
    from onnx import helper

    inner = helper.make_graph([], "inner", [], [], [model.graph.initializer[0]])  # type: ignore[attr-defined]
    inner.initializer[0].external_data.add().key = "location"
    model.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner))  # type: ignore[attr-defined]


def _function(model: object) -> None:
    from onnx import helper

    made = helper.make_function("d", "F", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])], [helper.make_opsetid("", 18)])
    model.functions.append(made)  # type: ignore[attr-defined]


def _operator(model: object) -> None:
    model.graph.node[0].domain = "evil.example"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_external, "from another file"),
        (_external_in_a_branch, "from another file"),
        (_function, "functions of its own"),
        (_operator, 'operator of "evil.example"'),
    ],
)
def test_onnx_that_reaches_outside(file: Path, change: Callable[[object], object], words: str) -> None:
    files = read(file)
    name = f"{SEGMENT}/model.onnx"
    refused(write(file, files | {name: onnx_bytes(change, files[name])}), words)


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, b"not onnx at all", bytes(100)])
def test_what_is_no_onnx(file: Path, data: bytes) -> None:
    refused(write(file, read(file) | {f"{SEGMENT}/model.onnx": data}), "no ONNX file")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input_shape": [100000, 100000, 3]}, "none of this program's"),
        ({"input_shape": [16, 16, 1]}, "none of this program's"),
        ({"version": "9.9"}, "calls itself"),
        ({"threshold": 7}, "make no sense"),
        ({"schema": 99}, "another version"),
        ({"weights": {}}, "names no float32"),
        ({"weights": {"onnx": {"float32": {"model": {"file": "../../x", "sha256": ""}}}}}, "not a description"),
    ],
)
def test_descriptions_that_make_no_sense(file: Path, changes: dict, words: str) -> None:
    files = read(file)
    name = f"{SEGMENT}/bundle.json"
    document = json.loads(files[name]) | changes
    refused(write(file, files | {name: json.dumps(document).encode()}), words)


def test_one_network_only(file: Path) -> None:
    files = {name: data for name, data in read(file).items() if not name.startswith("classify")}
    refused(write(file, files), "one classifier and one segmenter")


def test_a_full_disk(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10})())
    refused(file, "not enough room")


def test_the_bundled_models_pass_the_same_look() -> None:
    if not list(paths.bundled_models().glob("*/bundle.json")):
        pytest.skip("the bundled models are not there")
    for pair in registry.pairs():
        for bundle in pair.bundles():
            assert contents.check_folder(bundle.folder).id == bundle.id
