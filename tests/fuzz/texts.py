"""What must hold of texts: the state file, graphs and SavedModels as protobuf text."""

from __future__ import annotations

from typing import Any

from tests.fuzz.messages import examine_graph, examine_meta_graph, examine_saved_model
from tests.fuzz.target import check_offset
from tfartifacts.errors import FormatError, TfArtifactsError
from tfartifacts.formats import schema
from tfartifacts.formats.checkpoint_state import read_checkpoint_state, write_checkpoint_state
from tfartifacts.formats.schema import binary_to_text, text_to_binary
from tfartifacts.formats.sniff import text_content


def examine_state(data: bytes) -> bool:
    try:
        state = read_checkpoint_state(data)
    except FormatError as error:
        check_offset(error, len(data), may_lack=True)
        return False
    # Whatever way it was read, protobuf says the same.
    expected: Any = schema.message_class("CheckpointState").FromString(
        text_to_binary("CheckpointState", data)
    )
    assert state.latest_path == expected.model_checkpoint_path
    assert list(state.all_paths) == list(expected.all_model_checkpoint_paths)
    assert repr(list(state.timestamps)) == repr(list(expected.all_model_checkpoint_timestamps))
    written = write_checkpoint_state(state)
    assert written.isascii()
    assert repr(read_checkpoint_state(written)) == repr(state)
    return True


_EXAMINE = {
    "GraphDef": examine_graph,
    "MetaGraphDef": examine_meta_graph,
    "SavedModel": examine_saved_model,
}


def examine_text(data: bytes) -> bool:
    """Text of the kind that its first field tells; what it says is examined as messages are."""
    content = text_content(data)
    kind = "GraphDef" if content is None else content.kind
    try:
        binary = text_to_binary(kind, data)
    except FormatError as error:
        check_offset(error, len(data), may_lack=True)
        _check_printable(error.message)
        return False
    assert len(binary) <= 16 * len(data) + 64
    if kind in _EXAMINE:
        _EXAMINE[kind](binary)
    try:
        text = binary_to_text(kind, binary)
    except TfArtifactsError as error:
        raise AssertionError(f"no text of what was text: {error}") from error
    again = text_to_binary(kind, text)
    assert again == binary or b"nan" in text  # text has one NaN, whatever its sign
    assert binary_to_text(kind, again) == text
    return True


def _check_printable(message: str) -> None:
    assert message.isprintable(), repr(message)
