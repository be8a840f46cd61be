"""Many nodes checked at once by the protobuf library: a tenth of the time that one by one takes.

A run of nodes is parsed with a schema of NodeDef in which an attribute is just bytes, and written
again. Where that gives the same bytes, each node is known to be in its *usual form*: the fields 1
to 5 in their order, name, op and device at most once and not empty, in UTF-8, then others if there
are any. That is how TensorFlow writes nodes; other ones are for who calls to look at, one by one.

The library is worth its import where nodes are many, see `worth_it`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tfartifacts.formats.wire import put_bytes, put_integer, put_text

if TYPE_CHECKING:
    from google.protobuf.message import Message

# Nodes from which on the library's import, some 25 ms, is repaid.
MANY = 16_384

_OPTIONAL, _REPEATED = 1, 3
_MESSAGE, _STRING, _BYTES = 11, 9, 12
_FIELDS = (
    ("name", 1, _OPTIONAL, _STRING),
    ("op", 2, _OPTIONAL, _STRING),
    ("input", 3, _REPEATED, _STRING),
    ("device", 4, _OPTIONAL, _STRING),
    ("attr", 5, _REPEATED, _BYTES),
)


def worth_it(num_nodes: int) -> bool:
    """Whether to check so many nodes here."""
    loaded = "google.protobuf.descriptor_pool" in sys.modules
    return num_nodes >= (MANY >> 4 if loaded else MANY) and _parse(1) is not None


def names_and_ops(run: bytes, number: int) -> tuple[list[str], list[str]] | None:
    """Names and ops of a run of nodes, fields of that number, all in their usual form.

    None where one is not, or is none at all.
    """
    parse = _parse(number)
    if parse is None:
        return None
    from google.protobuf.message import DecodeError
    from google.protobuf.unknown_fields import UnknownFieldSet

    try:
        parsed: Any = parse(run)
    except DecodeError:
        return None
    if parsed.SerializeToString() != run or len(UnknownFieldSet(parsed)):
        return None
    intern = sys.intern  # there are few ops, and many nodes of each
    nodes = list(parsed.node)
    names = [node.name for node in nodes]
    ops = [intern(node.op) for node in nodes]
    return (names, ops) if names and all(names) and all(ops) else None


@functools.cache
def _parse(number: int) -> Callable[[bytes], Message] | None:
    """Parses messages with nodes as field `number`; None if the library is not the one in C."""
    try:
        from google.protobuf import descriptor_pool, message_factory, unknown_fields
        from google.protobuf.internal import api_implementation
    except ImportError:  # of older ones; the last is not public
        return None
    if api_implementation.Type() != "upb" or not hasattr(message_factory, "GetMessageClass"):
        return None
    if not hasattr(unknown_fields, "UnknownFieldSet"):
        return None
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(_schema(number))
    found = pool.FindMessageTypeByName("nodes.Nodes")
    return message_factory.GetMessageClass(found).FromString


def _schema(number: int) -> bytes:
    """A FileDescriptorProto (google/protobuf/descriptor.proto)."""
    node = b"".join(
        put_bytes(2, _field(name, field, label, kind)) for name, field, label, kind in _FIELDS
    )
    nodes = put_bytes(2, _field("node", number, _REPEATED, _MESSAGE) + put_text(6, ".nodes.Node"))
    return b"".join(
        (
            put_text(1, f"nodes-{number}.proto"),
            put_text(2, "nodes"),
            put_bytes(4, put_text(1, "Node") + node),
            put_bytes(4, put_text(1, "Nodes") + nodes),
            put_text(12, "proto3"),
        )
    )


def _field(name: str, number: int, label: int, kind: int) -> bytes:
    return put_text(1, name) + put_integer(3, number) + put_integer(4, label) + put_integer(5, kind)
