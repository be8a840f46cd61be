"""What a file is, by its content; its name only where content cannot tell.

Ours are told by structure: a table by the magic number at its end and by its first entry, messages
by which fields they have and what those begin with, text by its first field's name. What is not
ours is named for what it is, with what to pass instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tfartifacts.errors import FormatError
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.table import Source, open_table
from tfartifacts.formats.wire import (
    LENGTH_DELIMITED,
    VARINT,
    Message,
    fields,
)
from tfartifacts.model.values import Buffer
from tfartifacts.records import dataclass

HEAD_SIZE = 1024  # bytes that tell what is not ours


@dataclass(frozen=True, slots=True)
class Content:
    """A kind of file of ours: "SavedModel", "MetaGraphDef", "GraphDef" or "CheckpointState"."""

    kind: str
    is_text: bool


_TEXT_FIELDS = {
    b"saved_model_schema_version": "SavedModel",
    b"meta_graphs": "SavedModel",
    b"meta_info_def": "MetaGraphDef",
    b"graph_def": "MetaGraphDef",
    b"saver_def": "MetaGraphDef",
    b"collection_def": "MetaGraphDef",
    b"signature_def": "MetaGraphDef",
    b"asset_file_def": "MetaGraphDef",
    b"object_graph_def": "MetaGraphDef",
    b"node": "GraphDef",
    b"library": "GraphDef",
    b"versions": "GraphDef",
    b"model_checkpoint_path": "CheckpointState",
    b"all_model_checkpoint_paths": "CheckpointState",
    b"all_model_checkpoint_timestamps": "CheckpointState",
    b"last_preserved_timestamp": "CheckpointState",
}
_FIRST_FIELD = re.compile(rb"(?:\s|#[^\n]*(?:\n|\Z))*([a-z_]{4,40})\s*:?\s*([{<\"'\[\d]?)")
_COMMENTS_OR_BLANK = re.compile(rb"(?:\s|#[^\n]*(?:\n|\Z))*\Z")
# An op's name (op_def_builder.cc) or a function's, which are freer.
_OP_NAME = re.compile(rb"[A-Za-z0-9_.\\/>-]{1,1000}")


def table_kind(source: Source) -> str:
    """`"V2"` for a bundle's index, `"V1"` for a checkpoint that holds its tensors.

    Raises what open_table does.
    """
    first = open_table(source).first_entry()
    if first is not None and first[0] == b"":
        try:
            for number, wire_type, *_ in fields(first[1], 0, len(first[1])):
                # BundleHeaderProto has a number as field 1, SavedTensorSlices a message.
                return "V1" if (number, wire_type) == (1, LENGTH_DELIMITED) else "V2"
        except FormatError as error:
            raise FormatError(
                f"{error.message} (in the header)", path=source.path, offset=0
            ) from None
    return "V2"


def text_content(data: Buffer) -> Content | None:
    """Which message a text file holds, by its first field; None if it is no text of ours."""
    match = _FIRST_FIELD.match(data[: 1 << 16])
    kind = _TEXT_FIELDS.get(match[1]) if match else None
    if match and kind == "GraphDef" and match[2] not in (b"{", b"<"):
        return None  # `library: x` may be anything's; a graph's fields are all messages
    return Content(kind, is_text=True) if kind else None


def binary_content(data: Buffer) -> Content | None:
    """Which message a binary file holds; None if it has the structure of none of ours."""
    for kind, looks_right in (
        ("SavedModel", _looks_like_saved_model),
        ("GraphDef", _looks_like_graph),
        ("MetaGraphDef", _looks_like_meta_graph),
    ):
        if looks_right(data, 0, len(data)):
            return Content(kind, is_text=False)
    return None


def _first_fields(data: Buffer, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type and payload of a message's fields as far as they parse."""
    try:
        for number, wire_type, _, _, payload, field_end in fields(data, start, end):
            yield number, wire_type, payload, field_end
    except FormatError:
        return


def _looks_like_node(data: Buffer, start: int, end: int) -> bool:
    texts = {
        number: (payload, field_end)
        for number, wire_type, payload, field_end in _first_fields(data, start, end)
        if wire_type == LENGTH_DELIMITED and number in (1, 2)
    }
    return len(texts) == 2 and _OP_NAME.fullmatch(data, *texts[2]) is not None


def _looks_like_graph(data: Buffer, start: int, end: int) -> bool:
    found = False
    for number, wire_type, payload, field_end in _first_fields(data, start, end):
        expected = VARINT if number == 3 else LENGTH_DELIMITED
        if not 1 <= number <= 5 or wire_type != expected:
            return False
        if number == 1:
            # One node tells; a damaged one further on is the reader's to find.
            return _looks_like_node(data, payload, field_end)
        found = found or number in (2, 4)
    return found and end > start


def _looks_like_meta_graph(data: Buffer, start: int, end: int) -> bool:
    found = 0
    for number, wire_type, payload, field_end in _first_fields(data, start, end):
        if not 1 <= number <= 7 or wire_type != LENGTH_DELIMITED:
            return False
        if number == 1:
            # MetaInfoDef: strings and messages, field 7 a flag.
            for inner, inner_type, *_ in _first_fields(data, payload, field_end):
                if inner > 8 or inner_type != (VARINT if inner == 7 else LENGTH_DELIMITED):
                    return False
        if number == 2 and field_end > payload:
            return _looks_like_graph(data, payload, field_end)
        found += 1
    return found > 0


def _looks_like_saved_model(data: Buffer, start: int, end: int) -> bool:
    seen_version = False
    for number, wire_type, payload, field_end in _first_fields(data, start, end):
        if number == 1 and wire_type == VARINT:
            seen_version = True
        elif number == 2 and wire_type == LENGTH_DELIMITED:
            # ONNX begins alike, with a producer's name as field 2.
            return _looks_like_meta_graph(data, payload, field_end)
        else:
            return False
    return seen_version and end - start < 12


def is_blank_text(data: Buffer) -> bool:
    """Nothing but white space and comments: an empty message to a text parser."""
    return len(data) < 1 << 16 and _COMMENTS_OR_BLANK.match(data) is not None


_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (
        0,
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file (Keras .h5 weights or model); load it with Keras and save a SavedModel or "
        "checkpoint",
    ),
    (0, b"\x1f\x8b", "a gzip archive; unpack it first"),
    (0, b"BZh", "a bzip2 archive; unpack it first"),
    (0, b"\xfd7zXZ\x00", "an xz archive; unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive; unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (257, b"ustar", "a tar archive; unpack it first"),
    (
        0,
        b"version https://git-lfs",
        "a git-lfs pointer, not the file itself; run `git lfs pull` to fetch it",
    ),
    (4, b"TFL3", "a TensorFlow Lite model; pass the SavedModel it was converted from"),
    (0, b"\x93NUMPY", "a NumPy array (.npy)"),
    (
        0,
        b"\x83\xaf\x70\xd1\x0d\x88\x4a\x3f",
        "a SavedModel in chunks (.cpb, TensorFlow 2.16 or later, for models of over 2 GiB), which "
        "is not read; save it without experimental_image_format",
    ),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x7fELF", "an ELF program or library"),
)


def describe_foreign(head: bytes, size: int) -> str | None:
    """What a file is that is not ours, with what to pass instead; None where nothing fits."""
    if size == 0:
        return "an empty file; the write that made it, or its transfer, was cut off"
    for offset, magic, what in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return what
    if head[:4] == b"PK\x03\x04":
        return _describe_zip(head)
    start = head[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<!--", b"<?xml", b"<!doctype")):
        return "an HTML or XML page; the download got a web page in place of the file"
    if re.match(rb"\x80[\x02-\x05]", head):
        return (
            "a Python pickle (an old PyTorch checkpoint, perhaps), which is never loaded; convert "
            "it with the library that wrote it"
        )
    if size >= 10 and int.from_bytes(head[:8], "little") < size and head[8:10] in (b'{"', b"{}"):
        return "a safetensors file"
    if len(head) >= 12 and int.from_bytes(head[8:12], "little") == mask(crc32c(head[:8])):
        return "a TFRecord file (TensorBoard events or training examples)"
    if re.match(rb"\x08[\x01-\x20]\x12[\x01-\x7f][\x20-\x7e]", head):
        return "what looks like an ONNX model"
    if re.match(rb"\s*[{\[]", head) and b"\0" not in head:
        return "what looks like JSON"
    return None


def _describe_zip(head: bytes) -> str:
    if b"data.pkl" in head or b"/version" in head[:80]:
        return "a PyTorch checkpoint (zip); export it from PyTorch"
    if b"metadata.json" in head or b"config.json" in head or b".weights.h5" in head:
        return "a Keras archive (.keras); load it with Keras and export a SavedModel"
    if b".npy" in head[:400]:
        return "a NumPy archive (.npz)"
    return "a zip archive; unpack it first"


def looks_like_cut_table(head: bytes) -> bool:
    """Whether a file begins as a bundle's index or a V1 checkpoint does: an entry with key ""."""
    if len(head) < 4 or head[:2] != b"\0\0":
        return False
    # BundleHeaderProto {1 num_shards 2|3 ...} or SavedTensorSlices {1 meta ...}
    return head[3:4] in (b"\x08", b"\x0a") or (head[2] >= 0x80 and head[4:5] == b"\x0a")


def is_message(data: Buffer) -> bool:
    """Whether the bytes parse as some protobuf message."""
    try:
        Message(data)
    except FormatError:
        return False
    return bool(data)
