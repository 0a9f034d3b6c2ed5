"""What goes into the packaged program, what stays out, whose licences go along: used by brainviewer.spec while it builds, and nowhere else."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import site
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

Toc = list[tuple[str, str, str]]
"""PyInstaller's table of contents: where to, where from, kind."""

TENSORFLOW_CPU = "tensorflow-cpu"
"""The folder in build/ where dev.py puts TensorFlow's CPU edition: the other one carries 550 MB of code for GPUs that only run beside CUDA."""

LICENCES = "LICENCES-OF-PARTS.txt"

ASKED_FOR = (
    "tensorflow", "keras", "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "numpy", "scipy", "opencv-python-headless", "pydicom",
    "nibabel", "tifffile", "imagecodecs", "PySide6-Essentials", "pyqtgraph", "matplotlib", "onnx", "tf2onnx", "highdicom", "scikit-learn",
    "pillow", "optree", "wrapt",
)  # fmt: skip
"""Packages whose version is asked for while the program runs."""

NEVER_IMPORTED = [
    "IPython", "PyQt5", "PyQt6", "_CharLS", "_gdbm", "_tkinter", "cupy", "dask", "grpc", "jax", "jpeg_ls", "markdown_it", "mypy", "pandas",
    "pip", "pkg_resources", "pygments", "pytest", "setuptools", "tensorboard", "tkinter", "torch", "wheel",
    "readline",  # GPL
    "clang", "examples", "tests", "tools",  # what libclang, tf2onnx and others leave at the top level
]  # fmt: skip

NEVER_LOADED = (
    "*.a", "*.cc", "*.h", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.proto", "*.dist-info/RECORD", "*.dist-info/licenses/*",
    "tensorflow/include/*", "tensorflow/compiler/mlir/stablehlo/*.so",
    "*/tests/*", "*/test/*", "*/testing/data/*", "sklearn/datasets/*/*", "matplotlib/mpl-data/sample_data/*", "onnxruntime/datasets/*",
    "onnx/backend/test/*", "onnxruntime/transformers/*", "pydicom/data/test_files/*", "pydicom/data/charset_files/*", "nibabel/*.mat",
    "cv2/data/*", "pyqtgraph/examples/*", "pyqtgraph/canvas/*", "tzdata/*", "dateutil/zoneinfo/*",
    # Qt: other platforms' plugins, and what only they need. GTK would come along with its theme: dialogs are the desktop portal's.
    "PySide6/Qt/plugins/platforms/libqeglfs*", "PySide6/Qt/plugins/platforms/libqlinuxfb*", "PySide6/Qt/plugins/platforms/libqminimal*",
    "PySide6/Qt/plugins/platforms/libqvk*", "PySide6/Qt/plugins/platforms/libqvnc*", "PySide6/Qt/plugins/platformthemes/libqgtk3*",
    "PySide6/Qt/plugins/egldeviceintegrations/*", "PySide6/Qt/plugins/platforminputcontexts/libqtvirtualkeyboard*",
    "PySide6/Qt/plugins/imageformats/*pdf*", "PySide6/Qt/plugins/tls/*", "PySide6/Qt/plugins/networkinformation/*",
    "PySide6/Qt/plugins/generic/*", "PySide6/Qt/lib/libQt6Pdf*", "PySide6/Qt/lib/libQt6Qml*", "PySide6/Qt/lib/libQt6Quick*",
    "PySide6/Qt/lib/libQt6VirtualKeyboard*", "PySide6/Qt/lib/libQt6EglF*", "PySide6/Qt/translations/*", "PySide6/Qt6Pdf*", "PySide6/Qt6Quick*",
    "PySide6/Qt6Qml*", "PySide6/Qt6VirtualKeyboard*", "PySide6/opengl32sw.dll",
    # The system's graphics drivers were built against the system's own: an older copy beside us would break them.
    "libstdc++.so*", "libgcc_s.so*",
)  # fmt: skip
"""By place in the program's folder. Links to a library that is left out go with it."""

VIEWER_NEEDS_NOT = ("tensorflow", "keras", "tf2onnx", "onnx", "h5py", "h5py.libs", "optree", "ml_dtypes", "sklearn", "scikit_learn.libs")
"""Parts that only TensorFlow and training need."""

SYMBOLS_IN = ("libtensorflow_cc.so*", "libtensorflow_framework.so*", "_pywrap_profiler_plugin.so", "libpython3*")
"""Libraries that carry a symbol table for debuggers as large as a small program. Others stay as they are: stripping breaks some wheels."""


class Refusal(SystemExit):
    """Ends the build with one sentence."""


# --- what goes in ---------------------------------------------------------------------------------------------------------------------------


def prefer(folder: Path) -> None:
    """Lets a folder of packages come before the environment's own, where it is there."""
    if folder.is_dir():
        sys.path.insert(0, str(folder))
        usual = site.getsitepackages
        site.getsitepackages = lambda *rest: [str(folder), *usual(*rest)]  # what comes from such places keeps its own folder in the package


def quantiser_modules() -> str:
    """A folder of ONNX Runtime that its quantiser puts on the path itself, and imports `fusion_utils` from as if from the top level."""
    package = find_spec("onnxruntime")
    return str(Path(package.origin).parent / "transformers") if package is not None and package.origin else ""


def installed(names: Iterable[str]) -> list[str]:
    """Those of some packages that are installed."""
    present = []
    for name in names:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        present.append(name)
    return present


def tree(folder: Path, target: str, without: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Every file below a folder, as (file, target folder), in order; `without` names entries of the folder itself."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    kept = [path for path in files if path.relative_to(folder).parts[0] not in without]
    return [(str(path), (PurePosixPath(target) / path.parent.relative_to(folder).as_posix()).as_posix()) for path in kept]


def wanted(toc: Toc) -> Toc:
    """The same without what is never loaded."""
    return [row for row in toc if not _is_unwanted(row[1] if row[2] == "SYMLINK" else row[0])]


def _is_unwanted(name: str) -> bool:
    place = name.replace(os.sep, "/")
    return not place.startswith("brainviewer/") and any(fnmatch(place, pattern) for pattern in NEVER_LOADED)


def needed(toc: Toc) -> Toc:
    """The same without the system's libraries that only something left out had brought along (Linux). Python's own stays: no library asks for it, but
    the executable loads it by name."""
    if not sys.platform.startswith("linux"):
        return toc
    system = {name: (name, source, kind) for name, source, kind in toc if source.startswith(("/lib/", "/usr/")) and "/" not in name}
    system = {name: row for name, row in system.items() if not name.startswith("libpython")}
    kept = [row for row in toc if row[0] not in system]
    for row in kept:  # grows while it is walked
        if row[2] == "SYMLINK":
            continue
        said = subprocess.run(["objdump", "-p", row[1]], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"NEEDED\s+(\S+)", said):
            if library in system:
                kept.append(system.pop(library))
    return kept


def without_symbols(toc: Toc, scratch: Path) -> Toc:
    """The same with copies of the largest libraries that have lost what only a debugger reads (220 MB of TensorFlow)."""
    if not sys.platform.startswith("linux") or shutil.which("strip") is None:
        return toc
    rows = []
    for name, source, kind in toc:
        if kind == "BINARY" and any(fnmatch(Path(name).name, pattern) for pattern in SYMBOLS_IN):
            copy = scratch / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["strip", "--strip-unneeded", "-o", str(copy), source], check=True)
            ORIGINS[str(copy)] = source
            rows.append((name, str(copy), kind))
        else:
            rows.append((name, source, kind))
    return rows


ORIGINS: dict[str, str] = {}
"""Where a changed copy comes from."""


def refuse(toc: Toc) -> None:
    """Ends the build where something slipped in that must not be there."""
    for name, source, _ in toc:
        place, library = name.replace(os.sep, "/"), Path(name).name
        if place.startswith("cv2/qt"):
            raise Refusal(f"{source} would be packaged: OpenCV's own Qt hides ours. Install opencv-python-headless in place of opencv-python.")
        if any(library.startswith(prefix) for prefix in GPL_LIBRARIES):
            raise Refusal(f"{source} would be packaged, and its licence is the GPL. Leave out what brings it.")


# --- licences -------------------------------------------------------------------------------------------------------------------------------

GPL_LIBRARIES = (
    "libreadline", "libgdbm", "libx264", "libx265", "libxvidcore", "libpostproc", "libfftw3", "libgsl", "libvidstab", "librubberband",
)  # fmt: skip

EXCEPTIONS = {
    "pyinstaller": "its bootloader and start-up modules may be part of any program, as its licence says",
    "pyinstaller-hooks-contrib": "what is part of the program, its start-up hooks, is under the Apache License 2.0",
    "pyside6-essentials": "used under the LGPL-3.0; Qt lies in the folder PySide6 as libraries of their own, which may be replaced",
    "shiboken6": "used under the LGPL-3.0, like PySide6",
}
"""Packages whose metadata names the GPL, and why they may be here."""

TEXTS = {
    "flatbuffers": ("Apache-2.0.txt",),
    "pyside6-essentials": ("LGPL-3.0.txt", "GPL-3.0.txt"),
    "shiboken6": ("LGPL-3.0.txt",),
    "tensorflow": ("Apache-2.0.txt",),
    "tensorflow-cpu": ("Apache-2.0.txt",),
}
"""Standard texts for wheels that carry none, in the folder `licences` beside this file."""

SYSTEM_LIBRARIES = {
    "libX": "MIT (X.Org)",
    "libblkid": "LGPL-2.1-or-later",
    "libbrotli": "MIT",
    "libbsd": "BSD-3-Clause",
    "libbz2": "bzip2-1.0.6",
    "libcap": "BSD-3-Clause",
    "libcom_err": "MIT",
    "libcrypto": "Apache-2.0",
    "libdbus": "AFL-2.1",
    "libexpat": "MIT",
    "libffi": "MIT",
    "libfontconfig": "MIT",
    "libfreetype": "FTL",
    "libgcrypt": "LGPL-2.1-or-later",
    "libgio-2": "LGPL-2.1-or-later",
    "libglib-2": "LGPL-2.1-or-later",
    "libgmodule-2": "LGPL-2.1-or-later",
    "libgobject-2": "LGPL-2.1-or-later",
    "libgpg-error": "LGPL-2.1-or-later",
    "libgssapi_krb5": "MIT",
    "libgthread-2": "LGPL-2.1-or-later",
    "libk5crypto": "MIT",
    "libkeyutils": "LGPL-2.1-or-later",
    "libkrb5": "MIT",
    "liblz4": "BSD-2-Clause",
    "liblzma": "0BSD",
    "libmd": "BSD-3-Clause",
    "libmount": "LGPL-2.1-or-later",
    "libmpdec": "BSD-2-Clause",
    "libncurses": "X11 (ncurses)",
    "libpanel": "X11 (ncurses)",
    "libpcre2": "BSD-3-Clause",
    "libpng16": "libpng-2.0",
    "libpython3": "PSF-2.0",
    "libselinux": "public domain",
    "libsqlite3": "public domain",
    "libssl": "Apache-2.0",
    "libsystemd": "LGPL-2.1-or-later",
    "libtinfo": "X11 (ncurses)",
    "libuuid": "BSD-3-Clause",
    "libxcb": "MIT (X.Org)",
    "libxkbcommon": "MIT",
    "libz": "Zlib",
    "libzstd": "BSD-3-Clause",
}
"""What PyInstaller may take from a Linux system, by the start of its name, with its licence. Anything else ends the build: someone must look."""

_TEXT_NAME = re.compile(r"(LICEN[CS]E|COPYING|NOTICE|THIRD.?PARTY.?NOTICES)", re.IGNORECASE)


def licences(toc: Toc, root: Path, scratch: Path) -> str:
    """One text with the licences of every part: Python, its packages, and on Linux the system's libraries.

    Raises:
        Refusal: where a part is under the GPL only, states no licence, or cannot be told.
    """
    owners = _owners()
    used: dict[str, metadata.Distribution] = {}
    libraries: dict[str, str] = {}
    own = (_python_folder(), root, scratch)
    for name, source, kind in toc:
        if not source or source == "-" or kind in ("SYMLINK", "OPTION"):
            continue
        path = Path(ORIGINS.get(source, source)).resolve()
        owner = owners.get(str(path))
        if owner is not None:
            used[_plain(owner.metadata["Name"])] = owner
        elif any(place.is_relative_to(folder) for folder in own for place in (path, Path(source))):  # Debian's sitecustomize.py links to /etc
            continue
        elif sys.platform.startswith("linux") and ".so" in path.name:
            libraries[path.name] = str(path)
        else:
            raise Refusal(f"{source} would be packaged as {name}, and nobody knows whose it is.")
    used |= {name: metadata.distribution(name) for name in ("pyinstaller", "pyside6-essentials", "shiboken6")}
    pages = [_page("Python", sys.version.split()[0], "PSF-2.0", "https://www.python.org", [_python_licence()])]
    pages += [_package_page(name, used[name]) for name in sorted(used) if name != "brainviewer"]
    texts = _debian_texts(sorted(libraries.values()))
    pages += [_library_page(name, libraries[name], texts) for name in sorted(libraries)]
    head = (
        "brainviewer itself: BSD-3-Clause (LICENSE).\n"
        "The bundled models, the sample scan and the guard set: CC BY-NC-SA 4.0, for non-commercial use (LICENSE-MODELS-AND-SAMPLE.md).\n\n"
        "The packaged program also holds the following parts, each under its own licence.\n"
    )
    return "\n".join([head, *pages])


def _python_folder() -> Path:
    """What belongs to Python alone: where it lies in the system's folders, only its standard library, as all other libraries lie beside it."""
    prefix = Path(sys.base_prefix).resolve()
    return Path(sysconfig.get_path("stdlib")).resolve() if prefix in (Path("/usr"), Path("/usr/local")) else prefix


@cache
def _owners() -> dict[str, metadata.Distribution]:
    """Which package a file belongs to."""
    owners: dict[str, metadata.Distribution] = {}
    for distribution in metadata.distributions():
        for file in distribution.files or ():
            owners.setdefault(str(Path(str(distribution.locate_file(file))).resolve()), distribution)
    return owners


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def stated_licence(about: metadata.PackageMetadata) -> str:
    """The licence that a package states, in its own words."""
    classifiers = [c.split("::")[-1].strip() for c in about.get_all("Classifier") or () if c.startswith("License ::")]
    first = next((line.strip() for line in (about.get("License") or "").splitlines() if re.search(r"\w", line)), "")
    return about.get("License-Expression") or (first if len(first) < 60 and "Copyright" not in first else "") or ", ".join(classifiers)


def is_gpl_only(licence: str) -> bool:
    """Whether every choice that a licence leaves is the GPL or the AGPL (not the LGPL)."""
    choices = re.split(r"\bOR\b|,", licence)
    return all(re.search(r"(?<!L)\bA?GPL|General Public", choice) and not re.search(r"LGPL|Lesser", choice) for choice in choices)


def _package_page(name: str, package: metadata.Distribution) -> str:
    about = package.metadata
    licence = stated_licence(about)
    texts = [Path(str(package.locate_file(file))) for file in package.files or () if _TEXT_NAME.match(Path(str(file)).name)]
    texts = [path for path in texts if path.suffix.lower() in ("", ".txt", ".md", ".rst", ".apache", ".bsd", ".license") and path.is_file()]
    texts += [Path(__file__).parent / "licences" / text for text in TEXTS.get(name, ())]
    if is_gpl_only(licence) and name not in EXCEPTIONS:
        raise Refusal(
            f"{name} would be packaged, and its licence is {licence}. Leave out what imports it, or say in contents.py why it may be there."
        )
    if not texts and not licence:
        raise Refusal(f"{name} would be packaged, and neither its metadata nor a file says under which licence.")
    home = about.get("Home-page") or next((url.split(",")[-1].strip() for url in about.get_all("Project-URL") or ()), "")
    note = f" ({EXCEPTIONS[name]})" if name in EXCEPTIONS else ""
    return _page(about["Name"], package.version, f"{licence or 'see below'}{note}", home, [_read(text) for text in sorted(set(texts))])


def _library_page(name: str, path: str, texts: dict[str, str]) -> str:
    """Of a library from the system: the licence as reviewed here, and Debian's own text of it where there is one."""
    licence = next((licence for start, licence in SYSTEM_LIBRARIES.items() if name.startswith(start)), None)
    if licence is None:
        raise Refusal(f"{path} would be packaged: look at its licence, then name it among SYSTEM_LIBRARIES in contents.py, or leave it out.")
    return _page(name, "", licence, "", [texts[path]] if path in texts else [])


def _debian_texts(paths: Sequence[str]) -> dict[str, str]:
    """What Debian says of the licence of some of its files, by path; empty on other systems."""
    if not paths or shutil.which("dpkg") is None:
        return {}
    places = {place: path for path in paths for place in (path, path.removeprefix("/usr"))}  # either is what a package may have called it
    said = subprocess.run(["dpkg", "-S", *places], capture_output=True, text=True, check=False).stdout
    texts = {}
    for line in said.splitlines():
        package, _, place = line.rpartition(": ")
        file = Path("/usr/share/doc", package.split(":")[0], "copyright")
        if place in places and file.is_file():
            texts[places[place]] = _read(file)
    return texts


def _python_licence() -> str:
    places = [Path(os.__file__).parent / "LICENSE.txt", Path(sys.base_prefix) / "LICENSE.txt", Path("/usr/share/doc/python3.11/copyright")]
    return next((_read(place) for place in places if place.is_file()), "See https://docs.python.org/3/license.html")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip()


def _page(name: str, version: str, licence: str, home: str, texts: Sequence[str]) -> str:
    title = f"{name} {version}".strip()
    lines = ["=" * 100, title, f"Licence: {licence}", *([home] if home else []), "=" * 100, ""]
    return "\n".join([*lines, *dict.fromkeys(texts), ""])


# --- icons, desktop, versions ---------------------------------------------------------------------------------------------------------------

ICON_SIZES_PX = (16, 24, 32, 48, 64, 128, 256, 512)


def make_icons(drawing: Path, folder: Path) -> dict[str, str]:
    """PNGs of every size, an ICO and an ICNS from the program's drawing; the file each system wants."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PIL import Image
    from PySide6.QtCore import QRectF, Qt
    from PySide6.QtGui import QColor, QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    folder.mkdir(parents=True, exist_ok=True)
    renderer = QSvgRenderer(drawing.read_bytes().replace(b"#000", b"#7cc0f0"))
    for side in ICON_SIZES_PX:
        image = QImage(side, side, QImage.Format.Format_ARGB32)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(22, 26, 32))
        painter.drawRoundedRect(QRectF(0, 0, side, side), side * 0.2, side * 0.2)
        margin = side * 0.08
        renderer.render(painter, QRectF(margin, margin, side - 2 * margin, side - 2 * margin))
        painter.end()
        image.save(str(folder / f"brainviewer-{side}.png"))
    largest = Image.open(folder / f"brainviewer-{ICON_SIZES_PX[-1]}.png")
    largest.save(folder / "brainviewer.ico", sizes=[(side, side) for side in ICON_SIZES_PX if side <= 256])
    largest.save(folder / "brainviewer.icns")
    return {"win32": str(folder / "brainviewer.ico"), "darwin": str(folder / "brainviewer.icns"), "png": str(folder / "brainviewer-256.png")}


def add_desktop_files(folder: Path, linux: Path, icons: dict[str, str]) -> None:
    """Beside the executable: the icon, and the scripts that put the program into a user's menu and take it out again."""
    shutil.copy(icons["png"], folder / "brainviewer.png")
    for script in ("install.sh", "uninstall.sh"):
        shutil.copy(linux / script, folder / script)
        (folder / script).chmod(0o755)


MACOS_INFO = {
    "CFBundleDisplayName": "brainviewer",
    "NSHighResolutionCapable": True,
    "NSHumanReadableCopyright": "BSD-3-Clause; models and sample scan CC BY-NC-SA 4.0",
    "CFBundleDocumentTypes": [
        {
            "CFBundleTypeName": "Brain MRI scan",
            "CFBundleTypeRole": "Viewer",
            "LSHandlerRank": "Alternate",
            "CFBundleTypeExtensions": ["dcm", "nii", "gz", "tif", "tiff", "hdr", "img"],
            "LSItemContentTypes": ["public.folder", "public.tiff"],
        }
    ],
}
plistlib.dumps(MACOS_INFO)  # what cannot be written as a property list fails here, on every system


def windows_version(version: str) -> object | None:
    """The version resource of the executable; None on other systems."""
    if sys.platform != "win32":
        return None
    from PyInstaller.utils.win32 import versioninfo

    numbers = tuple((*map(int, re.findall(r"\d+", version)), 0, 0, 0, 0)[:4])
    words = {
        "CompanyName": "The brainviewer authors",
        "FileDescription": "brainviewer",
        "FileVersion": version,
        "InternalName": "brainviewer",
        "LegalCopyright": "BSD-3-Clause",
        "OriginalFilename": "brainviewer.exe",
        "ProductName": "brainviewer",
        "ProductVersion": version,
    }
    table = versioninfo.StringTable("040904B0", [versioninfo.StringStruct(key, value) for key, value in words.items()])
    return versioninfo.VSVersionInfo(
        ffi=versioninfo.FixedFileInfo(filevers=numbers, prodvers=numbers),
        kids=[versioninfo.StringFileInfo([table]), versioninfo.VarFileInfo([versioninfo.VarStruct("Translation", [1033, 1200])])],
    )


# --- what it weighs -------------------------------------------------------------------------------------------------------------------------


def weigh(folder: Path) -> None:
    """Says how large the program is, its twenty largest parts, and what it would weigh without TensorFlow."""
    parts: Counter[str] = Counter()
    count = 0
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            count += 1
            parts[_part(path.relative_to(folder))] += path.stat().st_size
    lines = [f"{folder.name}: {_mb(sum(parts.values()))} in {count:,} files; the largest parts:"]
    lines += [f"{_mb(size):>10}  {part}" for part, size in parts.most_common(20)]
    viewer = sum(size for part, size in parts.items() if part.split("/")[0] not in VIEWER_NEEDS_NOT and not part.endswith("weights.npz"))
    lines.append(f"{_mb(viewer):>10}  in all, were it a viewer without TensorFlow and training")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _part(place: Path) -> str:
    """The part of the program that a file belongs to: a package or library, or the file itself where it is large on its own."""
    inner = place.parts[1:] if place.parts[0] == "_internal" else place.parts
    if inner[0] == "brainviewer" and len(inner) > 3:
        return "/".join(inner[2:] if inner[-1] == "weights.npz" else inner[2:4])
    if inner[0] == "tensorflow" and inner[-1].startswith("libtensorflow"):
        return "/".join(inner)
    return inner[0]


def _mb(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"
