"""What the files of a bundle from elsewhere may hold: plain arrays, built-in Keras layers, ONNX operators of known makers, and nothing that
could be executed or that reaches outside its own file. Read with the standard library and NumPy only, before any framework sees them."""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..errors import BundleError
from .bundle import TASKS, ModelBundle, read_bundle

MIB = 2**20
LARGEST_BYTES = 1024 * MIB
"""Of one file, and of everything in a model file together. ResNet50's largest file has 49 MB."""
LARGEST_TEXT = 8 * MIB
LARGEST_SIDE_PX = 1024
MOST_ARRAYS = 4096
ENTRY = re.compile(r"(classify|segment)-[0-9A-Za-z][0-9A-Za-z.+]{0,40}")
FILE = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,60}\.(json|npz|onnx|md|png)")
LAYERS = frozenset(
    {
        *("Activation", "Add", "Average", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D", "Conv2DTranspose", "Dense"),
        *("DepthwiseConv2D", "Dropout", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "GroupNormalization", "InputLayer"),
        *("LayerNormalization", "LeakyReLU", "MaxPooling2D", "Maximum", "Multiply", "Normalization", "PReLU", "ReLU", "Rescaling", "Reshape"),
        *("SeparableConv2D", "Softmax", "SpatialDropout2D", "Subtract", "UpSampling2D", "ZeroPadding2D"),
    }
)
"""Built-in layers that only compute with arrays. `Lambda` and everything that carries or names a function is not among them."""
INITIALIZERS = frozenset(
    {
        *("Zeros", "Ones", "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform"),
        *("RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling"),
    }
)
CLASSES: dict[str | None, frozenset[str]] = {
    "keras.layers": LAYERS,
    "keras.initializers": INITIALIZERS,
    "keras.regularizers": frozenset({"L1", "L2", "L1L2"}),
    "keras": frozenset({"DTypePolicy", "Functional"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    None: frozenset({"__keras_tensor__"}),
}
"""The classes that an architecture may name, by module."""
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})


def check_folder(folder: Path) -> ModelBundle:
    """The bundle in a folder, if it is one, whole, and holds nothing but what a bundle may hold.

    Raises:
        BundleError: naming the first file that is something else.
    """
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file() or not FILE.fullmatch(path.name):
            raise refused(path, "it is not a kind of file that a model may hold")
        if path.stat().st_size > (LARGEST_BYTES if path.suffix in (".npz", ".onnx") else LARGEST_TEXT):
            raise refused(path, "it is too large")
        if path.suffix in CHECKS:
            CHECKS[path.suffix](path)
    bundle = read_bundle(folder)
    _check_document(bundle)
    bundle.verify()
    return bundle


def refused(path: Path, why: str) -> BundleError:
    return BundleError(f'The model is refused: "{path.parent.name}/{path.name}": {why}.', "Ask whoever made it for a file exported by this program.")


def _check_document(bundle: ModelBundle) -> None:
    """Whether the description is of a network that this program can use at all."""
    file = bundle.folder / "bundle.json"
    rows, columns, channels = bundle.input_shape
    if bundle.folder.name != bundle.id or bundle.task not in TASKS or not ENTRY.fullmatch(bundle.id):
        raise refused(file, f'it calls itself "{bundle.id}"')
    if rows != columns or not 16 <= rows <= LARGEST_SIDE_PX or channels != 3:
        raise refused(file, f"an input of {rows} x {columns} x {channels} is none of this program's")
    if not 0 <= bundle.threshold <= 1 or len(bundle.labels) != 2:
        raise refused(file, "its threshold or its labels make no sense")
    for engine, precision, role in (("onnx", "float32", "model"), ("keras", "float32", "architecture"), ("keras", "float32", "weights")):
        if role not in bundle.weights.get(engine, {}).get(precision, {}):
            raise refused(file, f"it names no {precision} {role} for {engine}")


# --- JSON ------------------------------------------------------------------------------------------------------------------------------------


def _check_json(path: Path) -> None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise refused(path, f"it is no JSON that can be read ({type(error).__name__})") from None
    if path.name == "bundle.json":
        return
    for node in _objects(document):
        if "class_name" not in node:
            continue
        module, name = node.get("module"), node["class_name"]
        registered = node.get("registered_name")
        known = isinstance(module, str | None) and isinstance(name, str) and name in CLASSES.get(module, frozenset())
        if not known or registered not in (None, name):
            raise refused(path, f'it asks for "{module}.{name}", which is no layer that only computes')


def _no_constant(text: str) -> float:
    raise ValueError(text)


def _objects(document: object) -> Iterator[dict]:
    """Every JSON object in a document, without recursion."""
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


# --- arrays ----------------------------------------------------------------------------------------------------------------------------------


def _check_arrays(path: Path) -> None:
    """Plain arrays of numbers, each exactly as large as it says: no pickles, and nothing that swells when it is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MOST_ARRAYS or sum(member.file_size for member in members) > LARGEST_BYTES:
                raise refused(path, "it would need too much memory")
            for member in members:
                if not member.filename.endswith(".npy"):
                    raise refused(path, f'"{member.filename[:60]}" in it is no array')
                with archive.open(member) as stream:
                    shape, _, dtype = _header(stream)
                    header = stream.tell()
                if dtype.hasobject or dtype.kind not in "fiub":
                    raise refused(path, f'"{member.filename[:60]}" in it holds something else than numbers')
                if header + math.prod(shape) * dtype.itemsize != member.file_size:
                    raise refused(path, f'"{member.filename[:60]}" in it is not as large as it says')
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError, EOFError) as error:
        raise refused(path, f"its arrays cannot be read ({type(error).__name__})") from None


def _header(stream: object) -> tuple[tuple[int, ...], bool, np.dtype]:
    read: dict[tuple[int, int], Callable] = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(stream)  # type: ignore[arg-type]
    if version not in read:
        raise ValueError(version)
    found: tuple[tuple[int, ...], bool, np.dtype] = read[version](stream)
    return found


# --- ONNX ------------------------------------------------------------------------------------------------------------------------------------

# The few fields of ONNX' messages (onnx.proto3) that can hold a tensor, an operator or a function; every other field is passed over.
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _TRAINING = "model", "graph", "node", "attribute", "tensor", "sparse", "training"
_INSIDE: dict[str, dict[int, str]] = {
    _MODEL: {7: _GRAPH, 20: _TRAINING},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_DOMAIN = 7
_FUNCTIONS = 25
DEEPEST = 32


def _check_onnx(path: Path) -> None:
    """A graph that holds all of its numbers itself and calls only operators of known makers."""
    data = memoryview(path.read_bytes())
    waiting = [(_MODEL, data, 0)]
    graphs = 0
    try:
        while waiting:
            kind, message, depth = waiting.pop()
            if depth > DEEPEST:
                raise refused(path, "its graphs lie too deep in each other")
            graphs += kind == _GRAPH
            for number, value in _fields(message):
                if kind == _TENSOR and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)):
                    raise refused(path, "it wants to read numbers from another file")
                if kind == _MODEL and number == _FUNCTIONS:
                    raise refused(path, "it brings functions of its own")
                if kind == _NODE and number == _DOMAIN and _text(value) not in DOMAINS:
                    raise refused(path, f'it calls an operator of "{_text(value)[:60]}"')
                inside = _INSIDE[kind].get(number)
                if inside is not None:
                    if not isinstance(value, memoryview):
                        raise ValueError(number)
                    waiting.append((inside, value, depth + 1))
    except (ValueError, IndexError):
        raise refused(path, "it is no ONNX file that can be read") from None
    if not graphs:
        raise refused(path, "it is no ONNX file that can be read")


def _text(value: int | memoryview) -> str:
    return bytes(value).decode(errors="replace") if isinstance(value, memoryview) else str(value)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field of a protocol buffer message; values of fixed width come as bytes.

    Raises:
        ValueError, IndexError: if it is none.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, place = _varint(message, place)
            yield number, value
            continue
        if wire == 2:
            length, place = _varint(message, place)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(wire)
        if number == 0 or place + length > len(message):
            raise ValueError(number)
        yield number, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError(place)


def _check_png(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            raise refused(path, "it is no PNG picture")


CHECKS: dict[str, Callable[[Path], None]] = {".json": _check_json, ".npz": _check_arrays, ".onnx": _check_onnx, ".png": _check_png}
