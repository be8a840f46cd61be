"""TrackableObjectGraph: what an object-based checkpoint knows of its keys.

    TrackableObjectGraph : 1 nodes*
    node : 1 children*  2 attributes* {1 name  2 full_name  3 checkpoint_key}
           3 slot_variables* {1 original_variable_node_id  2 slot_name  3 slot_variable_node_id}

Stored as the string tensor `_CHECKPOINTABLE_OBJECT_GRAPH` of the checkpoint.
Source: tensorflow/core/protobuf/trackable_object_graph.proto.
"""

from __future__ import annotations

from collections.abc import Mapping

from tfartifacts.errors import ChecksumError, ConversionError, PathNotFoundError, located
from tfartifacts.formats.bundle_variables import BundleTensor, BundleVariables
from tfartifacts.formats.tensor_bundle import OBJECT_GRAPH_KEY
from tfartifacts.formats.wire import Message, put_bytes, put_text
from tfartifacts.model.checkpoints import ObjectGraph
from tfartifacts.records import dataclass


def read_object_graph(encoded: bytes) -> ObjectGraph:
    """Readable names and slots. Raises FormatError."""
    nodes = Message(encoded).messages(1)
    full_names: dict[str, str] = {}
    keys_of: dict[int, list[str]] = {}
    slot_nodes: set[int] = set()
    for position, node in enumerate(nodes):
        for attribute in node.messages(2):
            key = attribute.text(3)
            keys_of.setdefault(position, []).append(key)
            if full_name := attribute.text(2):
                full_names[key] = full_name
        slot_nodes.update(slot.integer(3) for slot in node.messages(3))
    slot_keys = frozenset(key for node in slot_nodes for key in keys_of.get(node, ()))
    return ObjectGraph(len(nodes), full_names, slot_keys, _WithKeys(encoded))


# Of what a part's key adds to that of the whole, such as -keys: bounds what a long key costs.
_LONGEST_END = 64


@dataclass(frozen=True, slots=True)
class _WithKeys:
    """An object graph with other keys, when called: see ObjectGraph.with_keys.

    An attribute whose key is gone goes, and so does what calls its object a slot of an optimizer:
    tf.train.Checkpoint.restore would look for the value. All other bytes are carried.

    `keys` has every key of the checkpoint: what is stored in parts, as a table is in `KEY-keys` and
    `KEY-values`, follows these. Raises ConversionError where they do not stay together.
    """

    encoded: bytes

    def __call__(self, keys: Mapping[str, str | None]) -> tuple[bytes, ObjectGraph]:
        graph = Message(self.encoded)
        nodes = graph.messages(1)
        found = [list(node.messages(2)) for node in nodes]
        wholes = {entry.text(3) for entries in found for entry in entries} - keys.keys()
        keys = {**keys, **_keys_of_wholes(wholes, keys)}
        attributes = [[_rekeyed(entry, keys) for entry in entries] for entries in found]
        emptied = {
            position
            for position, listed in enumerate(attributes)
            if listed and all(entry is None for entry in listed)
        }
        pieces = [graph.without(1)]
        for node, listed in zip(nodes, attributes, strict=True):
            slots = [slot for slot in node.messages(3) if slot.integer(3) not in emptied]
            parts = [
                node.without(2, 3),
                *(put_bytes(2, entry) for entry in listed if entry is not None),
                *(put_bytes(3, slot.encoded()) for slot in slots),
            ]
            pieces.append(put_bytes(1, b"".join(parts)))
        encoded = b"".join(pieces)
        return encoded, read_object_graph(encoded)


def _keys_of_wholes(wholes: set[str], keys: Mapping[str, str | None]) -> dict[str, str | None]:
    """The new keys of what is stored in parts, each of which has the key with more behind it."""
    found: dict[str, str | None] = {}
    for part, new in keys.items() if wholes else ():
        whole = _whole_of(part, wholes)
        if whole is None:
            continue
        rest = part[len(whole) :]
        now = new
        if new is not None:
            # A part that lost its end belongs to nothing by its name.
            now = new.removesuffix(rest) if new.endswith(rest) else ""
        if now == "" or found.setdefault(whole, now) != now:
            raise ConversionError(
                f"found {part!r} without what belongs to it, or under a name that does not end "
                f"with {rest!r}; rename or drop all that begins with {whole!r} alike"
            )
    return found


def _whole_of(part: str, wholes: set[str]) -> str | None:
    """The longest key that this one only adds an end to."""
    start = max(part.rfind("/"), len(part) - _LONGEST_END)
    return next(
        (part[:end] for end in range(len(part) - 1, start, -1) if part[:end] in wholes), None
    )


def _rekeyed(attribute: Message, keys: Mapping[str, str | None]) -> bytes | None:
    """An encoded attribute with its new key; None where that is gone."""
    key = attribute.text(3)
    new = keys.get(key, key)
    if new is None:
        return None
    return attribute.encoded() if new == key else attribute.without(3) + put_text(3, new)


@dataclass(frozen=True, slots=True)
class LoadObjectGraph:
    """Reads the object graph of a bundle when called; None where its data file is missing."""

    variables: BundleVariables

    def __call__(self) -> ObjectGraph | None:
        variable = self.variables.get(OBJECT_GRAPH_KEY)
        value = None if variable is None else variable.value
        if not isinstance(value, BundleTensor) or value.dtype.name != "string":
            return None
        try:
            elements = value.strings()
        except (PathNotFoundError, ChecksumError):
            # The names are a help; that the data is gone or damaged is told where it is read.
            return None
        with located(value.location.file):
            return read_object_graph(elements[0]) if len(elements) == 1 else None
