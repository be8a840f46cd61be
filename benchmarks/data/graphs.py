"""`.meta` files: of many nodes as layers have them, and of a few nodes with large constants.

    MetaGraphDef : meta_info_def:1 graph_def:2
    GraphDef     : node:1* versions:4

A layer is thirteen nodes: two variables with their initial values, what assigns and reads them, and
five that compute. TensorFlow imports it.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.data import encoding as pb
from benchmarks.data.place import Dataset

PER_LAYER = 13
_WIDTH = 8
_SEED = 20151109

META = "model.meta"
TRAINED_PREFIX = "model"
_PLAIN = 10 * PER_LAYER + 1
_CONSTANTS = 10
NUM_WITH_CONSTANTS = _PLAIN + _CONSTANTS


def many_nodes(count: int) -> Dataset:
    """`model.meta` with exactly `count` nodes; about 130 bytes each."""
    return Dataset(f"nodes-{count}.1", 130 * count, lambda folder: _write_nodes(folder, count))


def trained(count: int) -> Dataset:
    """A checkpoint `model` with a graph of that many nodes, or a few less, to be converted.

    `output_0` needs all layers of `input`. There is no saver: the converter makes one.
    """
    count = (count - 2) // PER_LAYER * PER_LAYER + 2

    def make(folder: str) -> None:
        import numpy as np

        import tfartifacts as tfa

        _write_nodes(folder, count)
        with tfa.CheckpointWriter(f"{folder}/{TRAINED_PREFIX}") as writer:
            for number in range(count // PER_LAYER):
                scope = f"model/layer_{number:06d}/dense"
                writer.add(f"{scope}/kernel", np.full((_WIDTH, _WIDTH), 0.125, np.float32))
                writer.add(f"{scope}/bias", np.full(_WIDTH, 0.125, np.float32))

    return Dataset(f"trained-{count}.1", 180 * count, make)


def _write_nodes(folder: str, count: int) -> None:
    size = sum(len(_as_node(body)) for body in nodes(count)) + len(pb.VERSIONS)
    with open(f"{folder}/{META}", "wb") as file:
        file.write(pb.META_INFO + pb.head(2, size))
        file.writelines(_as_node(body) for body in nodes(count))
        file.write(pb.VERSIONS)


def _as_node(body: bytes) -> bytes:
    return pb.head(1, len(body)) + body


def nodes(count: int) -> Iterator[bytes]:
    """NodeDefs: a placeholder, layers, and identities up to the count."""
    yield pb.node(
        "input",
        "Placeholder",
        (),
        pb.type_attr("dtype", pb.FLOAT) + pb.shape_attr("shape", [-1, _WIDTH]),
    )
    made = 1
    last = "input"
    while made + PER_LAYER <= count:
        scope = f"model/layer_{made // PER_LAYER:06d}"
        yield from _layer(scope, last)
        last = f"{scope}/Relu"
        made += PER_LAYER
    t = pb.type_attr("T", pb.FLOAT)
    for number in range(count - made):
        yield pb.node(f"output_{number}", "Identity", [last], t)


def _layer(scope: str, before: str) -> Iterator[bytes]:
    t = pb.type_attr("T", pb.FLOAT)
    for part, sizes in (("kernel", [_WIDTH, _WIDTH]), ("bias", [_WIDTH])):
        name = f"{scope}/dense/{part}"
        own = pb.attr("_class", pb.chunk(1, pb.chunk(2, f"loc:@{name}")))
        yield pb.float_const(f"{name}/Initializer/value", [0.5])
        yield pb.node(
            name,
            "VariableV2",
            (),
            pb.attr("container", pb.chunk(2, ""))
            + pb.type_attr("dtype", pb.FLOAT)
            + pb.shape_attr("shape", sizes)
            + pb.attr("shared_name", pb.chunk(2, "")),
        )
        yield pb.node(
            f"{name}/Assign",
            "Assign",
            [name, f"{name}/Initializer/value"],
            t
            + own
            + pb.attr("use_locking", pb.number(5, 1))
            + pb.attr("validate_shape", pb.number(5, 0)),
        )
        yield pb.node(f"{name}/read", "Identity", [name], t + own)
    kernel, bias = f"{scope}/dense/kernel/read", f"{scope}/dense/bias/read"
    transposes = b"".join(pb.attr(f"transpose_{one}", pb.number(5, 0)) for one in "ab")
    yield pb.node(f"{scope}/MatMul", "MatMul", [before, kernel], t + transposes)
    yield pb.node(f"{scope}/BiasAdd", "BiasAdd", [f"{scope}/MatMul", bias], t)
    yield pb.float_const(f"{scope}/keep", [0.9])
    yield pb.node(f"{scope}/mul", "Mul", [f"{scope}/BiasAdd", f"{scope}/keep"], t)
    yield pb.node(f"{scope}/Relu", "Relu", [f"{scope}/mul"], t)


def large_constants(num_bytes: int) -> Dataset:
    """`model.meta` of ten layers and that many bytes of constants, as frozen weights are."""

    def make(folder: str) -> None:
        _write_constants(folder, num_bytes)

    return Dataset(f"constants-{num_bytes}.1", num_bytes, make)


def _write_constants(folder: str, num_bytes: int) -> None:
    import numpy as np

    each = num_bytes // _CONSTANTS // 4 * 4
    heads = [_constant_head(f"frozen/weights_{one}", each) for one in range(_CONSTANTS)]
    plain = [_as_node(body) for body in nodes(_PLAIN)]
    size = sum(map(len, plain)) + len(pb.VERSIONS) + sum(len(one) + each for one in heads)
    random = np.random.Generator(np.random.SFC64(_SEED))
    with open(f"{folder}/{META}", "wb") as file:
        file.write(pb.META_INFO + pb.head(2, size))
        file.writelines(plain)
        for one in heads:
            file.write(one)
            for first in range(0, each, 1 << 22):
                file.write(random.bytes(min(1 << 22, each - first)))
        file.write(pb.VERSIONS)


def _constant_head(name: str, size: int) -> bytes:
    """A Const node up to the bytes of its tensor_content, with which it ends."""
    tensor = pb.number(1, pb.FLOAT) + pb.chunk(2, pb.shape([size // 4])) + pb.head(4, size)
    value = pb.head(8, len(tensor) + size) + tensor
    entry = pb.chunk(1, "value") + pb.head(2, len(value) + size) + value
    attrs = pb.type_attr("dtype", pb.FLOAT) + pb.head(5, len(entry) + size) + entry
    body = pb.node(name, "Const", (), attrs)
    return pb.head(1, len(body) + size) + body
