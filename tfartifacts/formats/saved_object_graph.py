"""SavedObjectGraph: the objects of a SavedModel of TensorFlow 2, as far as its signatures go.

    SavedObjectGraph : 1 nodes*  2 concrete_functions{}
    SavedObject      : 1 children* {1 node_id  2 local_name}  4 user_object ...
    nodes[0]         the root; its child "signatures" is a map, whose children are functions by
                     signature key

tf.saved_model.load takes the signatures from here; other loaders take them from the meta graph.
Source: tensorflow/core/protobuf/saved_object_graph.proto, saved_model/signature_serialization.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from tfartifacts.formats.wire import LENGTH_DELIMITED, Message, fields, put_message, put_text
from tfartifacts.model.values import Buffer

_NODES = 1
_CHILDREN = 1
_MAP = "signatures"


def signature_keys(message: Message) -> tuple[str, ...]:
    """The keys of the signatures that the objects have."""
    nodes = message.messages(_NODES)
    position = _map_position(nodes)
    if position is None:
        return ()
    return tuple(child.text(2) for child in nodes[position].messages(_CHILDREN))


def with_signature_keys(message: Message, changes: Mapping[str, str | None]) -> list[Buffer]:
    """The objects with other keys for their signatures, None for those to leave out.

    The functions stay, and every byte that is not of a changed key.
    """
    wanted = _map_position(message.messages(_NODES))
    pieces: list[Buffer] = []
    position = 0
    for number, wire_type, _, start, payload, end in fields(
        message.buffer, message.start, message.end
    ):
        if (number, wire_type) == (_NODES, LENGTH_DELIMITED):
            position += 1
            if position - 1 == wanted:
                node = Message(message.buffer, payload, end, message.depth + 1)
                pieces += put_message(_NODES, _with_children(node, changes))
                continue
        pieces.append(memoryview(message.buffer)[start:end])
    return pieces


def _map_position(nodes: list[Message]) -> int | None:
    """Which of the objects holds the signatures."""
    for child in nodes[0].messages(_CHILDREN) if nodes else ():
        position = child.integer(1)
        if child.text(2) == _MAP and 0 <= position < len(nodes):
            return position
    return None


def _with_children(node: Message, changes: Mapping[str, str | None]) -> list[Buffer]:
    pieces: list[Buffer] = []
    for number, wire_type, _, start, payload, end in fields(node.buffer, node.start, node.end):
        if (number, wire_type) == (_CHILDREN, LENGTH_DELIMITED):
            child = Message(node.buffer, payload, end, node.depth + 1)
            key = child.text(2)
            if key in changes:
                new = changes[key]
                if new is not None:
                    pieces += put_message(_CHILDREN, [child.without(2), put_text(2, new)])
                continue
        pieces.append(memoryview(node.buffer)[start:end])
    return pieces
