"""Files that hold one protobuf message, binary or text: graphs, meta graphs, SavedModels.

What such a file is, its content tells; what is none of ours is named for what it is.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tfartifacts.errors import (
    FormatError,
    NotThisFormatError,
    TfArtifactsError,
    located,
)
from tfartifacts.formats import saved_model as layout
from tfartifacts.formats import sniff
from tfartifacts.formats.checkpoint_state import STATE_FILE
from tfartifacts.formats.graph_def import read_graph
from tfartifacts.formats.meta_graph import read_meta_graph
from tfartifacts.formats.wire import Message, Part
from tfartifacts.model.checkpoints import File
from tfartifacts.model.graphs import Graph
from tfartifacts.model.saved_models import MetaGraph
from tfartifacts.model.values import Buffer
from tfartifacts.opening.prefixes import META_SUFFIX, checkpoint_exists
from tfartifacts.storage.files import read_file
from tfartifacts.storage.mapping import read_or_map

if TYPE_CHECKING:
    from tfartifacts.formats.sniff import Content

MAX_MESSAGE = (1 << 31) - 1  # bytes; protobuf has none that is larger


def read_content(path: str, file: File) -> tuple[Buffer, Content]:
    """The bytes of a file that is no table, and which message they hold.

    Raises NotThisFormatError for what is none of ours, FormatError for what looks damaged.
    """
    if file.size > MAX_MESSAGE:
        raise _too_large(path, file)
    data = read_or_map(path)
    if os.path.basename(path) == STATE_FILE and sniff.is_blank_text(data) and data:
        raise FormatError("found no paths in the state file", path=path, offset=0)
    content = sniff.text_content(data) or sniff.binary_content(data)
    if content is None:
        raise _not_ours(path, data)
    return data, content


def graph_or_meta_graph(path: str, data: Buffer, content: Content) -> Graph | MetaGraph:
    encoded = _encoded(path, data, content)
    notes: tuple[str, ...] = ()
    if os.path.basename(path) in layout.FILES:
        notes = (f"a {content.kind} that is named {os.path.basename(path)}: no SavedModel",)
    with reading(path, content):
        if content.kind == "GraphDef":
            return read_graph(Part(encoded, 0, len(encoded)), path=path, notes=notes)
        prefix = path.removesuffix(META_SUFFIX)
        beside = prefix if path.endswith(META_SUFFIX) and checkpoint_exists(prefix) else None
        return read_meta_graph(Message(encoded), path, beside, notes)


def parse_message(path: str, data: Buffer, content: Content) -> Message:
    with located(path):
        return Message(_encoded(path, data, content))


def _encoded(path: str, data: Buffer, content: Content) -> Buffer:
    """The message in binary."""
    if not content.is_text:
        return data
    from tfartifacts.formats.schema import text_to_binary

    with located(path):
        return text_to_binary(content.kind, bytes(data))


@contextmanager
def reading(path: str, content: Content) -> Iterator[None]:
    """As located; an offset in the binary form of a text means nothing to who has the text."""
    with located(path):
        try:
            yield
        except FormatError as error:
            if content.is_text:
                error.offset = None
            raise


def _too_large(path: str, file: File) -> TfArtifactsError:
    """A file that is no table, and larger than any message can be: named by how it begins."""
    head = read_file(path, sniff.HEAD_SIZE)
    if (foreign := sniff.describe_foreign(head, file.size)) is not None:
        return NotThisFormatError(f"found {foreign}", path=path)
    return NotThisFormatError(
        f"found {file.size} bytes that are no checkpoint's table, expected at most {MAX_MESSAGE} "
        "of a graph",
        path=path,
    )


def _not_ours(path: str, data: Buffer) -> TfArtifactsError:
    name = os.path.basename(path)
    if name in ("keras_metadata.pb", "fingerprint.pb", "saved_model_debug_info.pb"):
        return NotThisFormatError(
            f"found {name}, a part of a SavedModel; pass its folder", path=path
        )
    foreign = sniff.describe_foreign(bytes(data[: sniff.HEAD_SIZE]), len(data))
    if sniff.looks_like_cut_table(bytes(data[:16])):
        return FormatError(
            "found the beginning of a checkpoint's table but not its end; the file is truncated",
            path=path,
            offset=len(data),
        )
    if foreign:
        return NotThisFormatError(f"found {foreign}", path=path)
    if name == STATE_FILE:
        return FormatError(
            "found text that is no checkpoint state, expected model_checkpoint_path",
            path=path,
            offset=0,
        )
    if name.endswith((META_SUFFIX, ".pb")) and not sniff.is_message(data):
        return _damaged_message(path, data)
    what = "text" if _is_text(data) else "a binary file"
    return NotThisFormatError(
        f"found {what} of no kind known here, expected a checkpoint, meta graph, SavedModel or "
        "frozen graph",
        path=path,
        offset=0,
    )


def _damaged_message(path: str, data: Buffer) -> FormatError:
    """Where a file that is named as a graph stops being a protobuf message."""
    try:
        Message(data)
    except FormatError as error:
        return FormatError(error.message, path=path, offset=error.offset)
    return FormatError("found no graph", path=path, offset=0)


def _is_text(data: Buffer) -> bool:
    head = data[: sniff.HEAD_SIZE]
    try:
        # A character may be cut in two by the end of the head.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(byte >= 0x20 or byte in b"\t\n\r\f" for byte in head)
