"""SavedModels without variables: of many nodes, signatures, functions. TensorFlow loads them.

    SavedModel   : saved_model_schema_version:1 meta_graphs:2
    MetaGraphDef : meta_info_def:1 graph_def:2 signature_def:5*
    GraphDef     : node:1* library:2 versions:4
    FunctionDef  : signature:1 node_def:3* ret:4*

Functions call each other as a binary tree does, from one that the graph calls.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from benchmarks.data import encoding as pb
from benchmarks.data.place import Dataset

_WIDTH = 8
_PER_FUNCTION = 6  # nodes besides the calls


def saved_model(*, signatures: int = 1, functions: int = 0, nodes: int = 100) -> Dataset:
    """`saved_model.pb` with so many of each; nodes are the least number."""
    name = f"saved-model-{signatures}-{functions}-{nodes}.1"
    size = 150 * signatures + 700 * functions + 60 * max(nodes, signatures)

    def make(folder: str) -> None:
        _write(os.path.join(folder, "saved_model.pb"), signatures, functions, nodes)

    return Dataset(name, size, make)


def _write(path: str, signatures: int, functions: int, nodes: int) -> None:
    def graph() -> Iterator[bytes]:
        for node in _nodes(max(nodes, signatures), functions):
            yield pb.chunk(1, node)
        if functions:
            size = sum(len(pb.chunk(1, one)) for one in _functions(functions))
            yield pb.head(2, size)
            for one in _functions(functions):
                yield pb.chunk(1, one)
        yield pb.VERSIONS

    info = pb.chunk(1, pb.chunk(4, "serve"), pb.chunk(5, "1.15.5"))
    graph_size = sum(map(len, graph()))
    signed_size = sum(map(len, _signatures(signatures)))
    size = len(info) + len(pb.head(2, graph_size)) + graph_size + signed_size
    with open(path, "wb") as file:
        file.write(pb.number(1, 1) + pb.head(2, size) + info + pb.head(2, graph_size))
        file.writelines(graph())
        file.writelines(_signatures(signatures))


def _nodes(count: int, functions: int) -> Iterator[bytes]:
    """A placeholder, what is computed of it in turn, each an output of a signature."""
    shape = pb.type_attr("dtype", pb.FLOAT) + pb.shape_attr("shape", [-1, _WIDTH])
    yield pb.node("input", "Placeholder", (), shape)
    t = pb.type_attr("T", pb.FLOAT)
    for number in range(count):
        before = "input" if number % 10 == 0 else _output(number - 1)
        yield pb.node(_output(number), "Relu" if number % 2 else "Neg", [before], t)
    if functions:
        yield _call("called", _function(0), "input")


def _output(number: int) -> str:
    return f"model/head_{number:06d}/output"


def _call(name: str, function: str, tensor: str) -> bytes:
    types = b"".join(pb.attr(key, pb.chunk(1, pb.number(6, pb.FLOAT))) for key in ("Tin", "Tout"))
    function_attr = pb.attr("f", pb.chunk(10, pb.chunk(1, function)))
    return pb.node(name, "PartitionedCall", [tensor], types + function_attr)


def _function(number: int) -> str:
    return f"__inference_call_{number:06d}"


def _functions(count: int) -> Iterator[bytes]:
    t = pb.type_attr("T", pb.FLOAT)
    for number in range(count):
        argument = pb.chunk(1, "x") + pb.number(3, pb.FLOAT)
        result = pb.chunk(1, "y") + pb.number(3, pb.FLOAT)
        signature = pb.chunk(1, _function(number)) + pb.chunk(2, argument) + pb.chunk(3, result)
        parts = [pb.chunk(1, signature)]
        last = "x"
        for place in range(_PER_FUNCTION):
            name = f"step_{place}"
            parts.append(pb.chunk(3, pb.node(name, "Neg", [last], t)))
            last = f"{name}:y:0"
        for called in (2 * number + 1, 2 * number + 2):
            if called < count:
                name = f"call_{called}"
                parts.append(pb.chunk(3, _call(name, _function(called), last)))
                last = f"{name}:output:0"
        parts.append(pb.chunk(4, pb.chunk(1, "y"), pb.chunk(2, last)))
        yield b"".join(parts)


def _signatures(count: int) -> Iterator[bytes]:
    shape = pb.chunk(3, pb.shape([-1, _WIDTH]))
    for number in range(count):
        name = "serving_default" if number == 0 else f"head_{number:06d}"
        tensors = [
            pb.chunk(field, pb.chunk(1, key), pb.chunk(2, pb.chunk(1, f"{tensor}:0"), dtype, shape))
            for field, key, tensor in ((1, "x", "input"), (2, "y", _output(number)))
            for dtype in [pb.number(2, pb.FLOAT)]
        ]
        method = pb.chunk(3, "tensorflow/serving/predict")
        yield pb.chunk(5, pb.chunk(1, name), pb.chunk(2, *tensors, method))
