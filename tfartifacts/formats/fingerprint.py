"""`fingerprint.pb`: hashes of a SavedModel, by the TensorFlow (2.8 or later) that wrote it.

    FingerprintDef : 1 saved_model_checksum  2 graph_def_program_hash  3 signature_def_hash
                     4 saved_object_graph_hash  5 checkpoint_hash (all u64 varints)
                     6 version {1 producer}  7 uuid

    1  Fingerprint64 of saved_model.pb, its maps in the order of their keys (sorted_maps)
    2  of the graph without library, versions, function numbers, string constants
    3  for each signature in the order of keys: cat(hash, key), cat(hash, SignatureDef)
    4  for each concrete function in the order of the number its name ends with:
       cat(hash, name without number), cat(hash, SavedConcreteFunction)
    5  of the bytes of variables/variables.index; 0 without

TensorFlow writes them and never checks them. 1 to 4 are of the first meta graph alone but for 1.
Before producer 1 field 1 was a hash of the graph. What 2 covers, 1 covers too.
Source: tensorflow/core/protobuf/fingerprint.proto, cc/saved_model/fingerprinting.cc.
"""

from __future__ import annotations

import re

from tfartifacts.formats.farmhash import concatenated, fingerprint64
from tfartifacts.formats.sorted_maps import sorted_maps
from tfartifacts.formats.wire import Message
from tfartifacts.records import dataclass

_MASK = 0xFFFFFFFFFFFFFFFF
_NUMBER = re.compile(r"_(\d+)\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The hashes as stored; 0 for one that is missing."""

    saved_model: int
    graph: int
    signatures: int
    object_graph: int
    checkpoint: int
    producer: int
    uuid: str


def read_fingerprint(data: bytes) -> Fingerprint:
    """Raises FormatError with the byte offset."""
    message = Message(data)
    version = message.message(6)
    first, second, third, fourth, fifth = (message.integer(n) & _MASK for n in range(1, 6))
    producer = 0 if version is None else version.integer(1)
    return Fingerprint(first, second, third, fourth, fifth, producer, message.text(7))


@dataclass(frozen=True, slots=True)
class Hash:
    """A hash that was computed; not `certain` where the message has fields unknown here."""

    value: int
    certain: bool


def saved_model_hash(data: bytes) -> Hash:
    """Of the bytes of a saved_model.pb. Raises FormatError where it is no such message."""
    encoded, complete = sorted_maps("SavedModel", data)
    return Hash(fingerprint64(encoded), complete)


def signatures_hash(meta_graph: Message) -> Hash:
    """Of the signatures of a MetaGraphDef."""
    entries = {entry.text(1): entry.message(2) for entry in meta_graph.messages(5)}
    return _hash_of("SignatureDef", [(key, entries[key]) for key in sorted(entries)])


def object_graph_hash(meta_graph: Message) -> Hash:
    """Of the concrete functions of a MetaGraphDef's objects."""
    objects = meta_graph.message(7)
    entries = [] if objects is None else list(objects.entries(2))
    numbered = []
    for name, entry in entries:
        match = _NUMBER.search(name)
        if match is None:
            return Hash(0, certain=False)
        number = int(match[1])
        numbered.append((number, name.removesuffix(str(number)), entry.message(2)))
    numbered.sort(key=lambda item: item[0])
    return _hash_of("SavedConcreteFunction", [item[1:] for item in numbered])


def _hash_of(kind: str, items: list[tuple[str, Message | None]]) -> Hash:
    value, certain = 0, True
    for name, message in items:
        encoded, complete = sorted_maps(kind, b"" if message is None else message.encoded())
        certain = certain and complete
        value = concatenated(value, fingerprint64(name.encode()))
        value = concatenated(value, fingerprint64(encoded))
    return Hash(value, certain)
