"""An artifact in a session of TensorFlow: graph imported, variables restored, tables filled.

    SavedModel              by TensorFlow's own loader
    checkpoint with .meta   import_meta_graph, then the saver's restore op
    GraphDef                import_graph_def; variables, if there is a checkpoint, by their names

A source may also be run as a conversion takes it (Loading): with another graph, from other keys of
the checkpoint, with files where they are now.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tfartifacts.errors import ConversionError, UnsupportedError
from tfartifacts.execution.interrupting import run_session
from tfartifacts.execution.restoring import assign_by_name, restore
from tfartifacts.execution.tensorflow import import_tensorflow, reasons
from tfartifacts.formats.graph_def import encode_graph
from tfartifacts.formats.meta_graph import encode_meta_graph
from tfartifacts.formats.saved_model import VARIABLES_PREFIX
from tfartifacts.model import (
    Artifact,
    Checkpoint,
    CheckpointDirectory,
    Graph,
    MetaGraph,
    SavedModel,
)
from tfartifacts.records import dataclass, field, replace

_FILL_TABLES = (
    "InitializeTable",
    "InitializeTableV2",
    "InitializeTableFromTextFile",
    "InitializeTableFromTextFileV2",
)
_V1_SHARD = re.compile(r"-\d{5}-of-(\d{5})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Loading:
    """How an artifact is loaded where not just as it lies there.

    `tags` choose a meta graph of a SavedModel. `graph` takes the place of its own. `keys` maps a
    key that the graph restores to the checkpoint's. `files` maps tensors that hold a path to the
    path of the file. `lenient`: keys that the checkpoint does not have are left out, as are
    variables that no signature needs. `as_written`: without TensorFlow's optimizer, which computes
    constants with one another where it finds them, and so gives other last bits to a frozen graph.
    """

    tags: tuple[str, ...] | None = None
    graph: MetaGraph | Graph | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    lenient: bool = False
    as_written: bool = False


AS_IT_IS = Loading()


class Loaded:
    """An artifact in a session of TensorFlow, ready to be run."""

    def __init__(self, tensorflow: Any, session: Any) -> None:
        self.tensorflow = tensorflow
        self.session = session

    def run(self, fetches: Iterable[str], feeds: Mapping[str, Any]) -> list[Any]:
        """The values of these tensors, as arrays (strings: objects, which are bytes).

        Raises ExecutionError with TensorFlow's reason.
        """
        with reasons(self.tensorflow):
            values = run_session(self.session, list(fetches), dict(feeds))
        return [_as_array(value) for value in values]


def _as_array(value: Any) -> Any:
    import numpy as np

    if isinstance(value, bytes | str):
        return np.array(value, object)  # np.asarray would cut NULs off its end
    array = np.asarray(value)
    # A quantized type is a record of one integer to TensorFlow.
    return array[array.dtype.names[0]] if array.dtype.names else array


@contextmanager
def loaded(artifact: Artifact, how: Loading = AS_IT_IS) -> Iterator[Loaded]:
    """The artifact in a session of its own.

    A checkpoint needs its `.meta`. Raises ExecutionError with TensorFlow's reason, ConversionError
    for what has no graph.
    """
    tensorflow = import_tensorflow()
    v1 = tensorflow.compat.v1
    with tensorflow.Graph().as_default() as graph:
        # What was placed on a device that is not here is to run all the same.
        config = v1.ConfigProto(allow_soft_placement=True)
        if how.as_written:
            config.graph_options.rewrite_options.disable_meta_optimizer = True
            config.graph_options.optimizer_options.opt_level = -1  # L0
        with v1.Session(graph=graph, config=config) as session:
            with reasons(tensorflow):
                _load(tensorflow, session, artifact, how)
            yield Loaded(tensorflow, session)


def _load(tensorflow: Any, session: Any, artifact: Artifact, how: Loading) -> None:
    checkpoint: Checkpoint | None = None
    given = how.graph
    match artifact:
        case SavedModel() if given is None and not how.keys and _is_standard(artifact):
            tags = artifact.meta_graph(how.tags).info.tags
            v1 = tensorflow.compat.v1
            v1.saved_model.load(session, list(tags), artifact.path, clear_devices=True)
            return
        case SavedModel():
            checkpoint = artifact.checkpoint
            given = given or artifact.meta_graph(how.tags)
            how = replace(how, files={**files_of(artifact), **how.files})
        case CheckpointDirectory() if artifact.latest is not None:
            checkpoint = artifact.latest
        case Checkpoint():
            checkpoint = artifact
        case MetaGraph():
            given = given or artifact
            if artifact.checkpoint_prefix is not None:
                from tfartifacts.opening.checkpoints import open_checkpoint

                checkpoint = open_checkpoint(artifact.checkpoint_prefix)
        case Graph():
            given = given or artifact
        case _:
            raise UnsupportedError(f"found a {artifact.kind}, expected one with a graph")
    if given is None:
        assert checkpoint is not None  # all others have a graph of their own
        given = checkpoint.meta_graph
        if given is None:
            raise ConversionError(
                f"found no {checkpoint.path}.meta, expected the graph: variables alone compute "
                "nothing",
                path=checkpoint.path,
            )
    prefix = None if checkpoint is None else _prefix_of(checkpoint)
    _import(tensorflow, session, given, prefix, how)


def files_of(artifact: SavedModel | Checkpoint) -> dict[str, str]:
    """Where the files of an artifact's assets are, by the tensors that hold their paths."""
    return {
        tensor: asset.file.path
        for asset in artifact.assets
        if asset.file is not None
        for tensor in asset.tensor_names
    }


def _is_standard(artifact: SavedModel) -> bool:
    """Whether its variables, if it has any, are where TensorFlow's loader looks for them."""
    if artifact.checkpoint is None:
        return True
    standard = os.path.join(artifact.path or "", *VARIABLES_PREFIX.split("/"))
    return artifact.checkpoint.path == standard


def _prefix_of(checkpoint: Checkpoint) -> str:
    """What TensorFlow restores it by: of V1 in several files a pattern."""
    shard = _V1_SHARD.search(checkpoint.files[0].path) if checkpoint.files else None
    if checkpoint.format != "V1" or shard is None or shard[0] in checkpoint.path:
        return checkpoint.path
    return f"{checkpoint.path}-?????-of-{shard[1]}"


def _import(
    tensorflow: Any, session: Any, given: MetaGraph | Graph, prefix: str | None, how: Loading
) -> None:
    v1 = tensorflow.compat.v1
    graph = session.graph
    saver = None
    if isinstance(given, MetaGraph):
        definition = given.path
        if definition is None or not definition.endswith(".meta"):
            content = b"".join(encode_meta_graph(given))
            definition = v1.MetaGraphDef.FromString(content)
        saver = v1.train.import_meta_graph(definition, clear_devices=True)
        initializers = [variable.initializer for variable in v1.local_variables()]
        initializers += v1.get_collection(v1.GraphKeys.TABLE_INITIALIZERS)
    else:
        definition = v1.GraphDef.FromString(b"".join(encode_graph(given)))
        for nodes in (definition.node, *(f.node_def for f in definition.library.function)):
            for node in nodes:
                node.device = ""
        tensorflow.import_graph_def(definition, name="")
        initializers = [op for op in graph.get_operations() if op.type in _FILL_TABLES]
    files = {name: path for name, path in how.files.items() if _has(graph, name)}
    failed = _initialize(tensorflow, session, initializers, files)
    if prefix is not None:
        if saver is not None:
            definition = saver.as_saver_def()
            restore(tensorflow, session, definition, prefix, how.keys, lenient=how.lenient)
        else:
            assign_by_name(tensorflow, session, prefix, how.keys)
    # Those that read variables, which are there only now; what a SavedModel's loader would run.
    if isinstance(given, MetaGraph) and given.init_op is not None:
        failed = [*failed, graph.as_graph_element(given.init_op)]
    _initialize(tensorflow, session, failed, files)


def _has(graph: Any, name: str) -> bool:
    return any(op.name == name.partition(":")[0] for op in graph.get_operations())


def _initialize(
    tensorflow: Any, session: Any, initializers: list[Any], files: Mapping[str, str]
) -> list[Any]:
    """Run initialisers; those that fail. What only training needs may well fail for ever."""
    try:
        if initializers:
            run_session(session, initializers, files)
    except tensorflow.errors.OpError as error:
        if len(initializers) == 1:
            sys.stderr.write(f"{error}\n")  # into the log, see quiet
            return initializers
        return [
            failed
            for initializer in initializers
            for failed in _initialize(tensorflow, session, [initializer], files)
        ]
    return []
