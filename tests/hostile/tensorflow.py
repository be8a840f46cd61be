"""What TensorFlow does with a hostile case.

Started as `PYTHON -m tests.hostile.tensorflow` with the Python of TensorFlow 1.15 or 2.x; answers
requests {"form": ..., "path": ..., "root": ...}, each in a child that may crash. An answer:

    error       the name of the exception and the first line of what it says; None: accepted
    contents    what was read, by name (see contents.py)
    by          the loader meant, where there are two

Runs in Python 3.7 and later: TensorFlow 1.15 has nothing newer.
"""

# TensorFlow has no types that mypy finds.
# mypy: disable-error-code="import-untyped, import-not-found"

from __future__ import annotations

import os
from typing import Any

# Importing it sends what TensorFlow prints to stderr, and keeps a copy of stdout for answers.
from tests.judges import worker  # isort: skip

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.python.saved_model import loader_impl

from tests.hostile import forking
from tests.hostile.contents import of_tensor, summary
from tests.judges import exchange

Json = Any

LIMITS = forking.Limits(seconds=40, memory=6 << 30)


def read_checkpoint(prefix: str) -> dict[str, Json]:
    """Every tensor, by CheckpointReader, or by RestoreV2 where that refuses."""
    found = {}
    for name, dtype, _, value, reader_error, restore_error in worker.read_tensors(prefix):
        if restore_error is not None:
            raise ValueError(reader_error["text"])
        tensor = exchange.encode(value, dtype.name)
        # NumPy would take a zero byte off the end of a scalar `bytes`.
        kind = object if isinstance(value, bytes) else None
        found[name] = of_tensor(dtype.name, np.array(value, dtype=kind), tensor.sha256())
    return summary(found)


def nodes_of(graph: Any) -> dict[str, Json]:
    return {f"node {operation.name}": operation.type for operation in graph.get_operations()}


def read_meta(path: str) -> dict[str, Json]:
    with worker.new_session() as session:
        worker.v1.train.import_meta_graph(path, clear_devices=True)
        return summary(nodes_of(session.graph))


def read_graph(path: str) -> dict[str, Json]:
    with tf.Graph().as_default() as graph, open(path, "rb") as file:
        tf.import_graph_def(graph_pb2.GraphDef.FromString(file.read()), name="")
        return summary(nodes_of(graph))


def read_saved_model(folder: str) -> dict[str, Json]:
    """By the loader of version 1, and by that of version 2, which must not fail either."""
    with worker.new_session() as session:
        meta_graph = worker.v1.saved_model.load(session, ["serve"], folder)
        found = summary(nodes_of(session.graph))
        for key, signature in meta_graph.signature_def.items():
            found[f"signature {key}"] = [sorted(signature.inputs), sorted(signature.outputs)]
        assets = loader_impl.get_asset_tensors(os.fsencode(folder), meta_graph)
        for tensor, encoded in assets.items():
            path = os.fsdecode(encoded)
            shown = os.path.relpath(path, folder) if path.startswith("/") else path
            found[f"asset {tensor}"] = shown
    return found


def load_saved_model(folder: str) -> None:
    tf.compat.v2.saved_model.load(folder)


def read_state(folder: str) -> dict[str, Json]:
    latest = tf.train.latest_checkpoint(folder)
    if latest is None:
        raise LookupError("latest_checkpoint gives None")
    return read_checkpoint(latest)


READERS = {
    "checkpoint": read_checkpoint,
    "meta": read_meta,
    "graph": read_graph,
    "saved_model": read_saved_model,
    "state": read_state,
}


def answer(request: Json) -> Json:
    try:
        if request["loader"] == 2:
            load_saved_model(request["path"])
            return {"error": None, "contents": {}}
        return {"error": None, "contents": READERS[request["form"]](request["path"])}
    except Exception as error:  # noqa: BLE001  # whatever TensorFlow raises
        return {"error": said(error, request["root"]), "contents": {}}


def said(error: BaseException, root: str) -> str:
    """The exception's name and the first line that says something, without the machine's paths."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    for path in (os.path.realpath(root), root):
        text = text.replace(f"{path}/case/", "").replace(f"{path}/case", ".").replace(path, "..")
    return text[:2000]


def main() -> None:
    forking.serve(answer, worker.ANSWERS, lambda _: LIMITS)


if __name__ == "__main__":
    main()
