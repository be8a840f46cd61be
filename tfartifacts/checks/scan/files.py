"""Files beside a model that could be run: libraries, programs, pickles, scripts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from tfartifacts.checks.findings import Severity
from tfartifacts.checks.scan.capabilities import Capability
from tfartifacts.checks.scan.rows import Reach, Row
from tfartifacts.errors import PathNotFoundError
from tfartifacts.formats.keras_metadata import FILE as KERAS_METADATA
from tfartifacts.opening.members import is_own
from tfartifacts.storage.files import read_file

MOST_FILES = 10_000
_HEAD = 16

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x7fELF", "a native program or library"),
    (b"MZ", "a program or library of Windows"),
    (b"\xcf\xfa\xed\xfe", "a native program or library"),
    (b"\xca\xfe\xba\xbe", "a native program or library, or a Java class"),
    (b"#!", "a script"),
)
_NAMES: tuple[tuple[str, str, Severity], ...] = (
    (r"\.(so|dylib|dll|pyd)(\.\d+)*", "a native library, such as of custom ops", Severity.WARNING),
    (r"\.(exe|bat|cmd|sh|ps1|jar)", "a program", Severity.WARNING),
    (
        r"\.(pkl|pickle|joblib|dill)",
        "a pickle, which runs code when it is loaded",
        Severity.WARNING,
    ),
    (r"\.(pyc|pyo)", "Python bytecode", Severity.WARNING),
    (r"\.py", "Python source", Severity.NOTE),
    (r"\.(h5|hdf5|keras)", "a Keras file, which may hold code; it is not read", Severity.NOTE),
)


def files_below(folder: str) -> tuple[list[str], bool]:
    """The files in a folder and below, by name, links to folders not entered; False: not all."""
    found: list[str] = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if len(found) >= MOST_FILES:
                return found, False
            found.append(os.path.join(parent, name))
    return found, True


def scan_files(folder: str, files: Iterable[str], follow_external: bool) -> Iterator[Row]:
    """Rows for those that look like programs or pickles, by name and by their first bytes.

    A link out of the folder is read only with `follow_external`, and told otherwise: what loaders
    would find there is not known.
    """
    for path in files:
        head = b""
        is_read = follow_external or is_own(path, folder)
        if is_read:
            try:
                head = read_file(path, _HEAD)
            except PathNotFoundError:
                continue  # no regular file: it cannot be loaded as one
        kind, severity = _kind(os.path.basename(path), head)
        if kind:
            yield _beside(path, folder, severity, f"{kind} beside the model")
        if not is_read:
            is_code = os.path.basename(path) == KERAS_METADATA
            severity = Severity.WARNING if is_code else Severity.NOTE
            told = "a link out of the model's folder: not looked at without --follow-external"
            yield _beside(path, folder, severity, told)


def _beside(path: str, folder: str, severity: Severity, explanation: str) -> Row:
    return Row(
        severity=severity,
        capability=Capability.RUN_CODE,
        op="",
        nodes=(os.path.relpath(path, folder),),
        num_nodes=1,
        reach=Reach.BESIDE,
        explanation=explanation,
    )


def _kind(name: str, head: bytes) -> tuple[str, Severity]:
    for pattern, kind, severity in _NAMES:
        if re.search(pattern + r"\Z", name, re.IGNORECASE):
            return kind, severity
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind, Severity.WARNING
    if re.match(rb"\x80[\x02-\x05][\x95c}(\]]", head):
        return "a pickle, which runs code when it is loaded", Severity.WARNING
    return "", Severity.NOTE
