r"""The `checkpoint` state file: a CheckpointState in protobuf's text format.

    model_checkpoint_path: "my_model-4"
    all_model_checkpoint_paths: "my_model-3"
    all_model_checkpoint_paths: "my_model-4"
    all_model_checkpoint_timestamps: 1700000000.5      (one for each path, or none)
    last_preserved_timestamp: 1700000000.1

Nearly every such file has this form, with one field a line; it is read without the protobuf
library, whose import costs more than the rest of an inspection. Any other form (comments, lists,
escapes beyond \\ and \", several strings, ...) goes to the library, as TensorFlow does it.

Source: tensorflow/python/training/checkpoint_state.proto, checkpoint_management.py.
"""

from __future__ import annotations

import re

from tfartifacts.errors import FormatError
from tfartifacts.formats.wire import Message
from tfartifacts.model.checkpoints import CheckpointState

STATE_FILE = "checkpoint"
MAX_SIZE = 1 << 26  # bytes; a state file names a few paths

_LINE = re.compile(
    rb'(?P<field>model_checkpoint_path|all_model_checkpoint_paths): "(?P<path>(?:[^"\\\x00-\x1f]'
    rb'|\\[\\"])*)"'
    rb"|(?P<time>all_model_checkpoint_timestamps|last_preserved_timestamp): "
    rb"(?P<value>\d{1,15}(?:\.\d{1,15})?)"
)


def read_checkpoint_state(text: bytes) -> CheckpointState:
    """What a state file says.

    Raises FormatError with the offset for text that TensorFlow does not accept, and for a file
    without `model_checkpoint_path`. Timestamps may be more or fewer than paths, as TensorFlow
    reads such a file too.
    """
    if len(text) > MAX_SIZE:
        raise FormatError(f"found {len(text)} bytes, a state file has a few hundred", offset=0)
    state = _read_plain(text) or _read_any(text)
    if not state.latest_path:
        raise FormatError(
            "found no model_checkpoint_path, expected the latest checkpoint's path", offset=0
        )
    return state


def _read_plain(text: bytes) -> CheckpointState | None:
    latest = ""
    paths: list[str] = []
    timestamps: list[float] = []
    last_preserved = None
    for line in text.split(b"\n"):
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        if match["field"] is not None:
            try:
                path = re.sub(rb"\\(.)", rb"\1", match["path"]).decode()
            except UnicodeDecodeError:
                return None
            if match["field"] == b"model_checkpoint_path":
                latest = path
            else:
                paths.append(path)
        elif match["time"] == b"last_preserved_timestamp":
            # A time of 0 is none, as it is to protobuf.
            last_preserved = float(match["value"]) or None
        else:
            timestamps.append(float(match["value"]))
    return CheckpointState(latest, tuple(paths), tuple(timestamps), last_preserved)


def _read_any(text: bytes) -> CheckpointState:
    from tfartifacts.formats.schema import text_to_binary

    message = Message(text_to_binary("CheckpointState", text))
    preserved = message.floats(4, "d")
    return CheckpointState(
        message.text(1),
        tuple(message.texts(2)),
        tuple(message.floats(3, "d")),
        preserved[-1] if preserved else None,
    )


def write_checkpoint_state(state: CheckpointState) -> bytes:
    """The file's text, as TensorFlow writes it."""
    lines = [f"model_checkpoint_path: {_quoted(state.latest_path)}"]
    lines += [f"all_model_checkpoint_paths: {_quoted(path)}" for path in state.all_paths]
    lines += [f"all_model_checkpoint_timestamps: {time!r}" for time in state.timestamps]
    if state.last_preserved is not None:
        lines.append(f"last_preserved_timestamp: {state.last_preserved!r}")
    return "".join(line + "\n" for line in lines).encode("ascii")


def _quoted(path: str) -> str:
    """A string of the text format; what is not printable ASCII as octal escapes."""
    escaped = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'\\"' else f"\\{byte:03o}"
        for byte in path.encode("utf-8", "surrogateescape")
    )
    return f'"{escaped}"'
