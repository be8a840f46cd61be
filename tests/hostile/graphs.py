"""Builders of graphs, meta graphs and SavedModels of anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.hostile.bundles import FLOAT32, shape_of
from tfartifacts.formats.wire import put_always, put_bytes, put_integer, put_text, varint


def node(name: str | bytes, op: str | bytes, *inputs: str | bytes, attrs: bytes = b"") -> bytes:
    """A node as a field of a GraphDef."""
    listed = b"".join(put_bytes(3, raw(text)) for text in inputs)
    return put_bytes(1, put_bytes(1, raw(name)) + put_bytes(2, raw(op)) + listed + attrs)


def raw(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


def attr(name: str, value: bytes) -> bytes:
    return put_bytes(5, put_text(1, name) + put_bytes(2, value))


def function(name: str, *nodes: bytes) -> bytes:
    """A function as a field of a library."""
    # In a FunctionDef nodes are field 3.
    bodies = b"".join(b"\x1a" + encoded[1:] for encoded in nodes)
    return put_bytes(1, put_bytes(1, put_text(1, name)) + bodies)


def library(*functions: bytes) -> bytes:
    return put_bytes(2, b"".join(functions))


TYPE = attr("dtype", put_always(6, FLOAT32))
T = attr("T", put_always(6, FLOAT32))
START = node("x", "Placeholder", attrs=TYPE + attr("shape", put_bytes(7, shape_of(1))))
END = node("y", "Identity", "x", attrs=T)
GOOD_GRAPH = START + END


def constant(name: str, shape: Sequence[int], values: bytes, dtype: int = FLOAT32) -> bytes:
    tensor = put_integer(1, dtype) + put_bytes(2, shape_of(*shape)) + values
    kind = attr("dtype", put_always(6, dtype))
    return node(name, "Const", attrs=kind + attr("value", put_bytes(8, tensor)))


def nested(depth: int, wrap: Callable[[bytes], bytes], inner: bytes = b"") -> bytes:
    for _ in range(depth):
        inner = wrap(inner)
    return inner


def deep_call(inner: bytes) -> bytes:
    # AttrValue {10 func {1 name 2 attr*}}
    return put_bytes(10, put_text(1, "f") + put_bytes(2, put_text(1, "f") + put_bytes(2, inner)))


# --- meta graphs and SavedModels -----------------------------------------------------------------

SERVE = put_text(4, "serve")
INFO = SERVE + put_text(5, "1.15.5")


def tensor_info(name: str | bytes, dtype: int = FLOAT32, shape: bytes = shape_of(1)) -> bytes:
    return put_bytes(1, raw(name)) + put_integer(2, dtype) + put_bytes(3, shape)


def signature(
    inputs: Sequence[tuple[bytes, bytes]], outputs: Sequence[tuple[bytes, bytes]]
) -> bytes:
    def entries(number: int, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
        return b"".join(put_bytes(number, put_bytes(1, k) + put_bytes(2, v)) for k, v in pairs)

    method = put_text(3, "tensorflow/serving/predict")
    return entries(1, inputs) + entries(2, outputs) + method


def signature_entry(key: str | bytes, encoded: bytes) -> bytes:
    return put_bytes(5, put_bytes(1, raw(key)) + put_bytes(2, encoded))


SIGNATURE = signature([(b"x", tensor_info("x:0"))], [(b"y", tensor_info("y:0"))])
SERVING = signature_entry("serving_default", SIGNATURE)


def meta_graph(graph: bytes = GOOD_GRAPH, further: bytes = b"", info: bytes = INFO) -> bytes:
    return put_bytes(1, info) + put_bytes(2, graph) + further


GOOD_META = meta_graph()


def collection(key: str | bytes, encoded: bytes) -> bytes:
    return put_bytes(4, put_bytes(1, raw(key)) + put_bytes(2, encoded))


def node_list(*names: str | bytes) -> bytes:
    return put_bytes(1, b"".join(put_bytes(1, raw(name)) for name in names))


def asset(filename: str | bytes, tensor: str = "a:0") -> bytes:
    return put_bytes(6, put_bytes(1, put_text(1, tensor)) + put_bytes(2, raw(filename)))


def saved_model_bytes(*meta_graphs: bytes) -> bytes:
    return put_integer(1, 1) + b"".join(put_bytes(2, encoded) for encoded in meta_graphs)


def saved_model(
    graph: bytes = GOOD_GRAPH, further: bytes = SERVING, info: bytes = INFO
) -> Callable[[Path], None]:
    """Writes a SavedModel of one meta graph."""
    return whole_saved_model(saved_model_bytes(meta_graph(graph, further, info)))


def whole_saved_model(content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "saved_model.pb").write_bytes(content)

    return write


def cut_length(number: int, claimed: int, content: bytes = b"") -> bytes:
    """A field that claims more bytes than follow."""
    return varint(number << 3 | 2) + varint(claimed) + content
