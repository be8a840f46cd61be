"""Keras' metadata of a SavedModel: how `tf.keras.models.load_model` builds the layers anew.

    keras_metadata.pb : SavedMetadata : 1 nodes*
    node              : 2 node_id  3 node_path  4 identifier  5 metadata (JSON)
    before 2.5        : the same JSON in SavedUserObject.metadata of the object graph
    metadata          : {"class_name": ..., "config": {...}, "registered_name": ..., ...}

A Lambda layer's `function` is Python bytecode, marshalled, in base64, which load_model runs. It is
never decoded here. Source: tensorflow/python/keras/protobuf/saved_metadata.proto.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tfartifacts.errors import FormatError
from tfartifacts.formats.wire import Message

FILE = "keras_metadata.pb"
MAX_DEPTH = 200  # levels of JSON; Keras' own configs stay far below
MAX_SIZE = 1 << 26  # bytes of JSON of one object

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(r"[\[\]{}]")


def read_keras_metadata(data: bytes) -> list[tuple[str, str]]:
    """Path and JSON of each object. Raises FormatError."""
    return [(node.text(3), node.text(5)) for node in Message(data).messages(1)]


def parse_metadata(text: str) -> Any:
    """The JSON of one object. Raises FormatError where it is none, too deep or too large."""
    if len(text) > MAX_SIZE:
        raise FormatError(f"found {len(text)} characters of JSON, expected at most {MAX_SIZE}")
    if _depth(text) > MAX_DEPTH:
        raise FormatError(f"found JSON nested more than {MAX_DEPTH} deep")
    try:
        return json.loads(text, parse_int=str, parse_float=str)
    except ValueError as error:
        raise FormatError(f"found no JSON: {error}") from None


def _depth(text: str) -> int:
    """How deep brackets are nested, at most, strings left out."""
    depth = most = 0
    for character in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if character in "[{" else -1
        most = max(most, depth)
    return most


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in it, outermost first."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            yield item
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
