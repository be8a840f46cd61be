"""Meta graphs, signatures and SavedModels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tfartifacts.errors import NameNotFoundError
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.graphs import Graph, OpDef, TensorInfo
from tfartifacts.model.values import Always, Deferred
from tfartifacts.records import dataclass, field

if TYPE_CHECKING:
    from tfartifacts.model.checkpoints import File

# Source: tensorflow/python/saved_model/{tag_constants,signature_constants,constants}.py
SERVING_TAG = "serve"
DEFAULT_SIGNATURE = "serving_default"
PREDICT_METHOD = "tensorflow/serving/predict"
INIT_OP_SIGNATURE = "__saved_model_init_op"
INIT_OP_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")


@dataclass(frozen=True, slots=True)
class Signature:
    """Named inputs and outputs of a graph, as callers see them (meta_graph.proto, SignatureDef)."""

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    method_name: str = PREDICT_METHOD
    unknown_fields: bytes = b""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection of a meta graph.

    `kind` is `node_list` (str), `bytes_list` (bytes), `int64_list`, `float_list`, `any_list`
    (encoded google.protobuf.Any messages), or "" for an empty one; `values` are of that type.
    A bytes_list made here may hold VariableDef; one that was read is decoded by
    MetaGraph.variable_defs.
    """

    kind: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class VariableDef:
    """A variable as a collection knows it (variable.proto), by names in the graph.

    `initializer` is the op that gives it its initial value, `snapshot` a tensor to read it by.
    `unknown_fields` are the others, encoded: slice, trainable, aggregation ...
    """

    name: str
    initializer: str = ""
    snapshot: str = ""
    initial_value: str = ""
    is_resource: bool = False
    unknown_fields: bytes = b""


@dataclass(frozen=True, slots=True)
class Saver:
    """How a graph saves and restores its variables (saver.proto).

    `filename_tensor_name` is fed the prefix, `save_tensor_name` fetched to save, the op
    `restore_op_name` run to restore. `version`: 1 writes V1 checkpoints, 2 V2.
    """

    filename_tensor_name: str
    save_tensor_name: str
    restore_op_name: str
    max_to_keep: int = 0
    sharded: bool = False
    keep_checkpoint_every_n_hours: float = 0.0
    version: int = 2
    unknown_fields: bytes = b""


@dataclass(frozen=True, slots=True)
class AssetFile:
    """A file a graph reads: the tensor that is fed its path, its name below `assets/`."""

    tensor_name: str
    filename: str


@dataclass(frozen=True)
class MetaInfo:
    """Who wrote a meta graph, and its tags (meta_graph.proto, MetaInfoDef)."""

    tags: tuple[str, ...] = ()
    tensorflow_version: str = ""
    tensorflow_git_version: str = ""
    op_defs: Mapping[str, OpDef] = field(default_factory=dict)
    stripped_default_attrs: bool = False
    unknown_fields: bytes = b""


NO_INFO = MetaInfo()


def _no_variable_defs() -> Deferred[Mapping[str, tuple[VariableDef, ...]]]:
    return Deferred(Always({}))


@dataclass(frozen=True)
class MetaGraph:
    """A graph with all that belongs to it: signatures, saver, collections, assets.

    `path` is the file it was read from, None for one made here. `checkpoint_prefix` is the
    checkpoint of the same name beside a `.meta` file, None where there is none. `object_graph` is
    a TF2 SavedModel's encoded SavedObjectGraph. `unknown_fields` are carried, encoded.
    """

    kind: ClassVar[str] = "meta-graph"

    graph: Graph
    info: MetaInfo = NO_INFO
    signatures: Mapping[str, Signature] = field(default_factory=dict)
    saver: Saver | None = None
    collections: Mapping[str, Collection] = field(default_factory=dict)
    asset_files: tuple[AssetFile, ...] = ()
    object_graph: bytes | None = field(default=None, repr=False)
    path: str | None = None
    checkpoint_prefix: str | None = None
    notes: tuple[str, ...] = ()
    unknown_fields: bytes = b""
    variable_defs_part: Deferred[Mapping[str, tuple[VariableDef, ...]]] = field(
        default_factory=_no_variable_defs, repr=False, compare=False
    )

    @property
    def variable_defs(self) -> Mapping[str, tuple[VariableDef, ...]]:
        """What the collections that hold variables say of them, by collection; read when asked."""
        return self.variable_defs_part.get()

    @property
    def tags(self) -> frozenset[str]:
        """The tag set it is chosen by, such as {"serve"}; empty for a `.meta` file."""
        return frozenset(self.info.tags)

    @property
    def tensorflow_version(self) -> str:
        """The TensorFlow that wrote it, such as "1.15.5"; "" where it did not say."""
        return self.info.tensorflow_version

    @property
    def init_op(self) -> str | None:
        """The op a loader runs once after restoring; None without one.

        Source: tensorflow/python/saved_model/loader_impl.py, get_init_op.
        """
        signature = self.signatures.get(INIT_OP_SIGNATURE)
        if signature is not None and INIT_OP_SIGNATURE in signature.outputs:
            return signature.outputs[INIT_OP_SIGNATURE].name
        for key in INIT_OP_COLLECTIONS:
            collection = self.collections.get(key)
            if collection is not None and collection.kind == "node_list" and collection.values:
                return str(collection.values[0])
        return None


@dataclass(frozen=True, slots=True)
class Asset:
    """A file below `assets/`.

    `tensor_names` are the tensors fed its path (none: no meta graph declares it). `file` is None
    where a meta graph declares it and it is not there.
    """

    filename: str
    tensor_names: tuple[str, ...]
    file: File | None


@dataclass(frozen=True)
class SavedModel:
    """A SavedModel: meta graphs by tag set, with variables and assets.

    `checkpoint` holds the variables, None for a model without. `other_files` are further members
    (assets.extra, fingerprint.pb, ...), not interpreted; `file` is `saved_model.pb` itself, None
    for one that was made here. Such a one has no path; `others_folder` is where its other files
    are taken from.
    """

    kind: ClassVar[str] = "saved-model"

    path: str | None
    meta_graphs: tuple[MetaGraph, ...]
    checkpoint: Checkpoint | None = None
    assets: tuple[Asset, ...] = ()
    schema_version: int = 1
    other_files: tuple[File, ...] = ()
    file: File | None = None
    notes: tuple[str, ...] = ()
    unknown_fields: bytes = b""
    others_folder: str | None = None

    def meta_graph(self, tags: Iterable[str] | None = None) -> MetaGraph:
        """The first meta graph with exactly these tags; None: the only one there is.

        Raises NameNotFoundError that lists the tag sets there are.
        """
        if tags is None:
            if len(self.meta_graphs) == 1:
                return self.meta_graphs[0]
            what = "no tags were given and the SavedModel does not hold just one meta graph"
        else:
            wanted = frozenset(tags)
            for meta_graph in self.meta_graphs:
                if meta_graph.tags == wanted:
                    return meta_graph
            what = f"no meta graph with tags {format_tags(wanted)}"
        known = ", ".join(format_tags(meta_graph.tags) for meta_graph in self.meta_graphs)
        raise NameNotFoundError(f"{what}; there is {known or 'none'}", path=self.path)


def format_tags(tags: Iterable[str]) -> str:
    """A tag set as people write it: `{gpu, serve}`."""
    return "{" + ", ".join(sorted(tags)) + "}"
