"""SavedModel: `saved_model.pb` (or `.pbtxt`) with variables, assets and other files beside it.

    SavedModel : 1 saved_model_schema_version (1)  2 meta_graphs*
    folder     : saved_model.pb | saved_model.pbtxt | saved_model.cpb (in chunks; not read)
                 variables/variables.{index,data-*}, assets/, assets.extra/, fingerprint.pb,
                 keras_metadata.pb, debug/

Source: tensorflow/core/protobuf/saved_model.proto, python/saved_model/constants.py.
"""

from __future__ import annotations

from tfartifacts.formats.meta_graph import (
    encode_meta_graph,
    read_meta_graph,
    splice_meta_graph,
)
from tfartifacts.formats.wire import LENGTH_DELIMITED, Message, fields, put_integer, put_message
from tfartifacts.model.saved_models import SavedModel
from tfartifacts.model.values import Buffer

BINARY_FILE = "saved_model.pb"
TEXT_FILE = "saved_model.pbtxt"
CHUNKED_FILE = "saved_model.cpb"
FILES = (BINARY_FILE, TEXT_FILE, CHUNKED_FILE)  # in the order loaders look for them
VARIABLES_FOLDER = "variables"
VARIABLES_PREFIX = "variables/variables"
ASSETS_FOLDER = "assets"
FINGERPRINT_FILE = "fingerprint.pb"
KERAS_FILE = "keras_metadata.pb"


def read_saved_model(message: Message, path: str | None = None) -> SavedModel:
    """The meta graphs of a SavedModel message; what lies beside the file is not looked at."""
    meta_graphs = tuple(read_meta_graph(part, path) for part in message.messages(2))
    return SavedModel(
        path=path,
        meta_graphs=meta_graphs,
        schema_version=message.integer(1),
        unknown_fields=message.without(1, 2),
    )


def encode_saved_model(saved_model: SavedModel) -> list[Buffer]:
    """A SavedModel message, in pieces that are not copied where nothing changed."""
    pieces: list[Buffer] = [put_integer(1, saved_model.schema_version)]
    for meta_graph in saved_model.meta_graphs:
        pieces += put_message(2, encode_meta_graph(meta_graph))
    pieces.append(saved_model.unknown_fields)
    return pieces


def splice_saved_model(message: Message, edited: SavedModel) -> list[Buffer]:
    """The message with the signatures and tags of `edited`, everything else byte for byte.

    `edited` has as many meta graphs as the message, in its order. What is equal stays where it
    is; a signature that is new follows those there are.
    """
    pieces: list[Buffer] = []
    position = 0
    for number, wire_type, _, start, payload, end in fields(
        message.buffer, message.start, message.end
    ):
        if (number, wire_type) != (2, LENGTH_DELIMITED):
            pieces.append(memoryview(message.buffer)[start:end])
            continue
        part = Message(message.buffer, payload, end, message.depth + 1)
        pieces += put_message(2, splice_meta_graph(part, edited.meta_graphs[position]))
        position += 1
    return pieces
