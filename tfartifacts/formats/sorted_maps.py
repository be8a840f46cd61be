"""A message as protobuf's C++ writes it deterministically: maps in the order of their keys.

Everything else stays as it stands, so that the result is that of C++ for what a TensorFlow wrote:
fields in the order of their numbers, no defaults. (Python's protobuf writes deterministically
too, but puts a key behind those it begins.) Which fields are maps the schema tells.
Source: protobuf, CodedOutputStream::SetSerializationDeterministic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfartifacts.errors import FormatError
from tfartifacts.formats.wire import (
    LENGTH_DELIMITED,
    MAX_DEPTH,
    Message,
    fields,
    put_bytes,
    signed,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor


def sorted_maps(kind: str, data: bytes) -> tuple[bytes, bool]:
    """The message with its maps sorted, and whether every field in it is known.

    Raises FormatError for what is no protobuf message, or nested too deeply.
    """
    from tfartifacts.formats.schema import message_class

    sorting = _Sorting(data)
    descriptor: Any = message_class(kind).DESCRIPTOR
    encoded = sorting.message(0, len(data), descriptor, 0)
    return encoded, sorting.complete


class _Sorting:
    """One message's bytes; `complete` until a field is met that the schema does not have."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.complete = True
        self._has_maps: dict[str, bool] = {}

    def message(self, start: int, end: int, descriptor: Descriptor, depth: int) -> bytes:
        if depth > MAX_DEPTH:
            raise FormatError(f"found messages nested more than {MAX_DEPTH} deep", offset=start)
        pieces: list[bytes] = []
        maps: dict[int, tuple[int, dict[Any, bytes]]] = {}
        for number, wire_type, _, at, payload, after in fields(self._data, start, end):
            field = descriptor.fields_by_number.get(number)
            if field is None:
                self.complete = False
            kind = None if field is None or wire_type != LENGTH_DELIMITED else field.message_type
            if kind is None or not self.has_maps(kind):
                pieces.append(self._data[at:after])
                continue
            encoded = put_bytes(number, self.message(payload, after, kind, depth + 1))
            if not kind.GetOptions().map_entry:
                pieces.append(encoded)
                continue
            if number not in maps:
                maps[number] = (len(pieces), {})
                pieces.append(b"")
            maps[number][1][self._key(payload, after)] = encoded
        for place, entries in maps.values():
            pieces[place] = b"".join(entries[key] for key in sorted(entries))
        return b"".join(pieces)

    def _key(self, start: int, end: int) -> Any:
        entry = Message(self._data, start, end)
        spans = entry.spans(1)
        if spans:
            return self._data[slice(*spans[-1])]
        # Of a map with numbers for keys, or the key "", which is not written.
        return signed(entry.integer(1)) if 1 in entry else b""

    def has_maps(self, descriptor: Descriptor) -> bool:
        """Whether a message is an entry of a map, or can hold a map at any depth."""
        known = self._has_maps.get(descriptor.full_name)
        if known is None:
            known = self._has_maps[descriptor.full_name] = _reaches_map(descriptor)
        return known


def _reaches_map(descriptor: Descriptor) -> bool:
    seen: set[str] = set()
    todo = [descriptor]
    while todo:
        kind = todo.pop()
        if kind.GetOptions().map_entry:
            return True
        if kind.full_name not in seen:
            seen.add(kind.full_name)
            todo += [field.message_type for field in kind.fields if field.message_type is not None]
    return False
