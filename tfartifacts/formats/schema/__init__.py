"""Protobuf messages by TensorFlow's names, without TensorFlow.

    tensorflow.proto, graph_debug_info.proto : the schema, to read and to edit
    tensorflow.desc                          : the same as a serialized FileDescriptorSet

The messages live in a descriptor pool of their own: TensorFlow registers the same names in
protobuf's default pool, and whoever comes second there fails. Generated code would also tie us to
one major version of protobuf; a descriptor set is read by all of them.

Protobuf is imported by the first call, not by importing this module.
"""

from __future__ import annotations

import functools
import re
import threading
import warnings
from typing import TYPE_CHECKING, Any

from tfartifacts.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

# Classes and the pool are made inside it: of two pools, one could not take the other's messages.
_LOCK = threading.Lock()


def message_class(name: str) -> type[Message]:
    """The class of a message: "GraphDef", "AttrValue.ListValue", "google.protobuf.Any".

    Names without a package are TensorFlow's. Raises KeyError for a name the schema does not have.
    """
    full_name = name if name.startswith("google.") else f"tensorflow.{name}"
    with _LOCK:
        return _class_maker()(_pool().FindMessageTypeByName(full_name))


def text_to_binary(kind: str, text: bytes) -> bytes:
    """Serialize what protobuf text says, a message of `kind`: "SavedModel", "CheckpointState" ...

    Accepts what TensorFlow does (`text_format.Merge`: of a field given twice the last value
    holds) and refuses what it refuses, unknown fields too. Maps are sorted by key, so equal texts
    give equal bytes. Protobuf's text parser is Python: 2 to 6 MB of text a second.

    Raises FormatError for anything else, with the byte offset in `text` where it is known.
    """
    from google.protobuf import message, text_format

    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"found byte 0x{text[error.start]:02x}, expected UTF-8 text of a {kind}",
            offset=error.start,
        ) from None
    message_type = message_class(kind)
    parsed = message_type()
    try:
        with warnings.catch_warnings():
            # Python warns of escapes it does not know, which protobuf takes as they stand.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", SyntaxWarning)
            text_format.Merge(decoded, parsed, descriptor_pool=_pool())
        data = parsed.SerializeToString(deterministic=True)
        # Text may nest deeper than any reader of the binary form follows (100 messages).
        message_type.FromString(data)
    except text_format.ParseError as error:
        line, column = error.GetLine(), error.GetColumn()
        if line is None or column is None:
            raise FormatError(_explain(kind, str(error))) from None
        # Lines end at \n alone, as in protobuf's parser: a lone \r is a blank.
        lines = decoded.split("\n")
        said = str(error).removeprefix(f"{line}:{column} : ")
        # Some messages begin with the line, which may be megabytes; empty at the end of the text.
        said = said.removeprefix(f"'{lines[line - 1]}': ").removeprefix("'': ")
        raise FormatError(_explain(kind, said), offset=_byte_offset(lines, line, column)) from None
    # Protobuf checks some values only where it stores them (an enum's number beyond 32 bits), and
    # then says ValueError or TypeError.
    except (ValueError, TypeError) as error:
        raise FormatError(_explain(kind, str(error))) from None
    except (message.Error, RecursionError):
        raise FormatError(f"the text nests too deep for a {kind}") from None
    return data


def binary_to_text(kind: str, data: bytes) -> bytes:
    """Protobuf text of serialized bytes, as TensorFlow writes it to .pbtxt; for eyes and tests.

    Raises FormatError when `data` is no message of `kind`.
    """
    from google.protobuf import message, text_format

    try:
        parsed = message_class(kind).FromString(data)
        text = text_format.MessageToString(parsed, descriptor_pool=_pool())
    except (ValueError, RecursionError, message.Error):
        raise FormatError(f"the bytes are no {kind}") from None
    return text.encode("utf-8")


@functools.cache
def _pool() -> DescriptorPool:
    from importlib import resources

    from google.protobuf import descriptor_pb2, descriptor_pool

    data = resources.files(__name__).joinpath("tensorflow.desc").read_bytes()
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


@functools.cache
def _class_maker() -> Callable[[Descriptor], type[Message]]:
    from google.protobuf import message_factory

    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass
    # Before protobuf 4.22. Newer ones, and so the type stubs, have lost it.
    factory: Any = message_factory.MessageFactory(_pool())
    get_prototype: Callable[[Descriptor], type[Message]] = factory.GetPrototype
    return get_prototype


# What protobuf says, in all versions from 3.20 to 7, and what it means here. The ends are optional
# because long messages are cut before they get here.
_NO_FIELD = re.compile(r'Message type "(?P<where>[\w.]+)" has no field named "(?P<found>.*?)"?\.?')
_NO_VALUE = re.compile(r'Enum type "(?P<where>[\w.]+)" has no value named (?P<found>.*?)\.?')
_GOT = re.compile(r"Expected (?P<wanted>.*), got (?P<found>.*?)\.?")


def _explain(kind: str, said: str) -> str:
    # What was found in the file may be long, or hold what a terminal would obey.
    said = "".join(c if c.isprintable() else repr(c)[1:-1] for c in said[:200])
    if match := _NO_FIELD.fullmatch(said):
        return f"found field '{match['found']}', expected a field of {_bare(match['where'])}"
    if match := _NO_VALUE.fullmatch(said):
        return f"found '{match['found']}', expected a value of {_bare(match['where'])}"
    if match := _GOT.fullmatch(said):
        return f"found '{match['found']}', expected {match['wanted']}, in text of a {kind}"
    return f"the text is no {kind}: {said.rstrip('.')}"


def _bare(full_name: str) -> str:
    return full_name.rsplit(".", 1)[-1]


def _byte_offset(lines: Sequence[str], line: int, column: int) -> int:
    """Where a line and a column, both counted from 1 in characters, lie in the bytes."""
    before = sum(len(earlier.encode("utf-8")) + 1 for earlier in lines[: line - 1])
    return before + len(lines[line - 1][: column - 1].encode("utf-8"))
