"""`fingerprint.pb` held against the SavedModel it lies in.

TensorFlow writes it and never looks at it again: for a model that has one, it is the only
checksum of saved_model.pb there is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from tfartifacts.checks.findings import Finding, Severity, error, link_out, note, of_error
from tfartifacts.errors import FormatError, PathNotFoundError
from tfartifacts.formats import saved_model as layout
from tfartifacts.formats.bundle_entries import index_file
from tfartifacts.formats.farmhash import fingerprint64
from tfartifacts.formats.fingerprint import (
    Fingerprint,
    object_graph_hash,
    read_fingerprint,
    saved_model_hash,
    signatures_hash,
)
from tfartifacts.formats.wire import Message
from tfartifacts.graphs.compatibility import VERSIONS
from tfartifacts.opening.members import is_own
from tfartifacts.storage.files import describe_file, read_file

# A fingerprint is of some 60 bytes.
_MOST = 1 << 16
# An index is hashed whole: one of this size has some 10 million variables.
_MOST_INDEX = 1 << 30


def check_fingerprint(folder: str) -> Iterator[Finding]:
    """What a SavedModel's fingerprint.pb says against the files beside it; nothing without one."""
    path = os.path.join(folder, layout.FINGERPRINT_FILE)
    if not os.path.lexists(path):
        return
    if not is_own(path, folder):
        yield link_out(path)
        return
    try:
        fingerprint = _read(path)
    except (FormatError, PathNotFoundError) as raised:
        yield of_error("fingerprint", raised, severity=Severity.WARNING, path=path)
        return
    yield from _check_index(fingerprint, folder, path)
    yield from _check_message(fingerprint, folder, path)


def _read(path: str) -> Fingerprint:
    file = describe_file(path)
    if file is not None and file.size > _MOST:
        raise FormatError(f"found {file.size:,} bytes, expected some 60 of a fingerprint")
    return read_fingerprint(read_file(path))


def _check_index(fingerprint: Fingerprint, folder: str, path: str) -> Iterator[Finding]:
    index = index_file(os.path.join(folder, *layout.VARIABLES_PREFIX.split("/")))
    file = describe_file(index)
    if not fingerprint.checkpoint or file is None or file.size > _MOST_INDEX:
        return
    try:
        found = fingerprint64(read_file(index))
    except PathNotFoundError as raised:
        yield of_error("fingerprint-checkpoint", raised, path=index)
        return
    if found != fingerprint.checkpoint:
        yield error(
            "fingerprint-checkpoint",
            f"found hash {found:#018x} of variables.index, expected "
            f"{fingerprint.checkpoint:#018x}: variables.index is not the one the fingerprint was "
            f"made for; restore it, or remove {os.path.basename(path)} if the change was meant",
            index,
        )


def _check_message(fingerprint: Fingerprint, folder: str, path: str) -> Iterator[Finding]:
    model = os.path.join(folder, layout.BINARY_FILE)
    if not fingerprint.saved_model or fingerprint.producer < 1 or describe_file(model) is None:
        return
    try:
        data = read_file(model)
        if fingerprint64(data) == fingerprint.saved_model:
            return
        found = saved_model_hash(data)
    except (FormatError, PathNotFoundError) as raised:
        # Parts that nobody asked for are read here for the first time.
        yield of_error("fingerprint-saved-model", raised, path=model)
        return
    if found.value == fingerprint.saved_model:
        return
    what = f"found hash {found.value:#018x} of saved_model.pb, expected "
    what += f"{fingerprint.saved_model:#018x}"
    if not found.certain and not _is_of_a_known_version(data):
        yield note(
            "fingerprint-saved-model",
            f"{what}, but it has fields that are not known here: it cannot be told whether it is "
            "the one the fingerprint was made for",
            model,
        )
        return
    yield error(
        "fingerprint-saved-model",
        f"{what}: saved_model.pb is not the one the fingerprint was made for"
        f"{_what_changed(fingerprint, data)}; restore it, or remove {os.path.basename(path)} if "
        "the change was meant",
        model,
    )


def _is_of_a_known_version(data: bytes) -> bool:
    """Whether the TensorFlow that wrote it has no fields but those known here."""
    try:
        written = [
            info.text(5)
            for meta_graph in Message(data).messages(2)
            for info in meta_graph.messages(1)
        ]
    except FormatError:
        return True  # none of any version
    newest = _version(VERSIONS[-1])
    return any(written) and all(_version(text) <= newest for text in written if text)


def _version(text: str) -> tuple[int, int]:
    match = re.match(r"(\d{1,4})\.(\d{1,4})", text, re.ASCII)
    return (0, 0) if match is None else (int(match[1]), int(match[2]))


def _what_changed(fingerprint: Fingerprint, data: bytes) -> str:
    try:
        meta_graphs = Message(data).messages(2)
        if not meta_graphs:
            return ""
        pairs = (
            ("the signatures", signatures_hash(meta_graphs[0]), fingerprint.signatures),
            ("the objects' functions", object_graph_hash(meta_graphs[0]), fingerprint.object_graph),
        )
    except FormatError:
        return ""
    changed = [what for what, found, stored in pairs if found.certain and found.value != stored]
    return f" ({' and '.join(changed)} changed)" if changed else " (not its signatures)"
