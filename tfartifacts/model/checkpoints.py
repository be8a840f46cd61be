"""A checkpoint, and a folder of them with its state file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from tfartifacts.errors import TfArtifactsError
from tfartifacts.model.graphs import Versions
from tfartifacts.model.values import Always, Deferred, DTypeLike
from tfartifacts.records import dataclass, field

if TYPE_CHECKING:
    from tfartifacts.model.saved_models import Asset, MetaGraph
    from tfartifacts.model.values import Array
    from tfartifacts.model.variables import Variable


# What every TensorFlow so far writes (tensor_bundle.h, kTensorBundleVersion).
BUNDLE_VERSIONS = Versions(producer=1)

# Keras' ModelCheckpoint adds `.ckpt`, a set of V1 shards its pattern.
STEP_OF_PREFIX = re.compile(r"-(\d{1,18})(?:\.ckpt)?(?:-\?{5}-of-\d+)?\Z")


@dataclass(frozen=True, slots=True)
class File:
    """A member of an artifact on disk; sizes in bytes, times in seconds since 1970 (UTC).

    `identity` is (device, inode, change of content in ns): with the size it tells whether a file
    is the one that was looked at. None where that is not known.
    """

    path: str
    size: int
    modified: float
    identity: tuple[int, int, int] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ObjectGraph:
    """What an object-based checkpoint knows of its keys (trackable_object_graph.proto).

    `full_names` maps a checkpoint key to the variable's name; a key without one is left out.
    `slot_keys` are the keys of optimizer slot variables. `with_keys` gives it with other
    keys, encoded and read again; None for one that was not read from a file. It is given a new key
    for each old one, or None for what is no longer there.
    """

    num_objects: int
    full_names: Mapping[str, str]
    slot_keys: frozenset[str]
    with_keys: Callable[[Mapping[str, str | None]], tuple[bytes, ObjectGraph]] | None = field(
        default=None, compare=False, repr=False
    )


def _no_problems() -> Deferred[tuple[TfArtifactsError, ...]]:
    return Deferred(Always(()))


def _no_meta_graph() -> Deferred[MetaGraph | None]:
    return Deferred(Always(None))


def _no_object_graph() -> Deferred[ObjectGraph | None]:
    return Deferred(Always(None))


# Where a file is now whose path a graph recorded, None where it is not: below the artifact's
# folder, or, if the second argument says so, wherever the path leads.
FindFile = Callable[[str, bool], File | None]


def find_nothing(recorded: str, follow_external: bool) -> File | None:
    return None


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Variables saved together under one checkpoint prefix.

    `path` is the prefix, such as `runs/model.ckpt-7`. `variables` is in file order (by name, as
    bytes); its values are read when asked for, everything else was checked when it was opened.
    `format` is "V1" or "V2". `assets` are files its graph reads that are written along with it,
    to the folder `<prefix>.assets`; the graph's constants then hold their absolute paths.
    `find_file` looks for files that the graph names, when called.
    """

    kind: ClassVar[str] = "checkpoint"

    path: str
    format: str
    num_shards: int
    variables: Mapping[str, Variable]
    versions: Versions = BUNDLE_VERSIONS
    byte_order: str = "little"
    files: tuple[File, ...] = ()
    assets: tuple[Asset, ...] = ()
    notes: tuple[str, ...] = ()
    problems_part: Deferred[tuple[TfArtifactsError, ...]] = field(
        default_factory=_no_problems, repr=False
    )
    meta_graph_part: Deferred[MetaGraph | None] = field(default_factory=_no_meta_graph, repr=False)
    object_graph_part: Deferred[ObjectGraph | None] = field(
        default_factory=_no_object_graph, repr=False
    )
    find_file: FindFile = field(default=find_nothing, repr=False)

    @staticmethod
    def from_arrays(
        arrays: Mapping[str, Any],
        *,
        path: str = "model.ckpt",
        step: int | None = None,
        dtypes: Mapping[str, DTypeLike] | None = None,
    ) -> Checkpoint:
        """A checkpoint of plain arrays by the names of their variables, to be saved with `save`.

        NumPy's and ml_dtypes' arrays of every type that TensorFlow has, in any byte order and
        layout; what NumPy makes an array of (a Python int becomes int64, a float float64); bytes
        and text (stored as UTF-8), alone, in lists or in arrays, as strings; another checkpoint's
        Variable as it is stored. Arrays are not copied: leave them as they are until it is saved.
        `dtypes` tells quantized types, which NumPy has as integers: `{"w": "qint8"}`. `path` is a
        name until it is saved under another; `step` is appended to it.

        Raises ConversionError for a name or an array that no checkpoint can hold (it says which),
        NameNotFoundError for a type given for an array that is not there.
        """
        from tfartifacts.model.from_arrays import checkpoint_from_arrays

        return checkpoint_from_arrays(arrays, path=path, step=step, dtypes=dtypes)

    @property
    def prefix(self) -> str:
        """The checkpoint prefix; the same as `path`."""
        return self.path

    @property
    def step(self) -> int | None:
        """The global step in the prefix, 7 in `model.ckpt-7`; None without one."""
        match = STEP_OF_PREFIX.search(self.path)
        return int(match[1]) if match else None

    @property
    def problems(self) -> tuple[TfArtifactsError, ...]:
        """Faults seen without reading values, looked for when first asked for.

        Data files that are missing or shorter than the index says; tensors that overlap.
        """
        return self.problems_part.get()

    @property
    def meta_graph(self) -> MetaGraph | None:
        """The graph saved beside it (`<prefix>.meta`); None where there is none.

        Read when first asked for; raises FormatError if the file is damaged.
        """
        return self.meta_graph_part.get()

    @property
    def object_graph(self) -> ObjectGraph | None:
        """Names and slots of an object-based checkpoint; None for a name-based one.

        Read from the data file when first asked for; None too where that file is missing.
        """
        return self.object_graph_part.get()

    @property
    def num_parameters(self) -> int:
        """Elements of all variables together."""
        return sum(prod(variable.shape) for variable in self.variables.values())

    @property
    def nbytes(self) -> int:
        """Bytes of all variables together, as a V2 checkpoint stores them."""
        return sum(variable.nbytes for variable in self.variables.values())

    def views(self, *, check: bool = True, jobs: int | None = None) -> dict[str, Array]:
        """A read-only array of each variable by its name, none copied where that can be.

        See Variable.view. `jobs` threads compare checksums (None: one for each processor). Raises
        as Variable.read, for the first variable of which that is to be told.
        """
        from tfartifacts.model.jobs import WORTH_THREADS, side_by_side

        variables = list(self.variables.values())
        arrays = side_by_side(
            lambda variable: variable.view(check=check),
            variables,
            jobs if check else 1,
            lambda variable: variable.nbytes,
            least=WORTH_THREADS,
        )
        return {variable.name: array for variable, array in zip(variables, arrays, strict=True)}

    def _repr_html_(self) -> str:
        from tfartifacts.model.notebooks import checkpoint_table

        return checkpoint_table(self)


@dataclass(frozen=True, slots=True)
class CheckpointState:
    """A `checkpoint` state file as written (checkpoint_state.proto), paths untouched.

    Times are seconds since 1970; `timestamps` belong to `all_paths` where they are as many.
    """

    latest_path: str
    all_paths: tuple[str, ...] = ()
    timestamps: tuple[float, ...] = ()
    last_preserved: float | None = None


@dataclass(frozen=True, slots=True)
class StateEntry:
    """One path of a state file and what became of it.

    `prefix` is where the checkpoint was found, None if nowhere. `relocated`: not at the recorded
    path, but beside the state file. `outside`: there is a checkpoint at the recorded path, but it
    leads out of the folder and was not followed.
    """

    recorded: str
    prefix: str | None
    relocated: bool = False
    outside: bool = False
    timestamp: float | None = None


@dataclass(frozen=True, eq=False)
class CheckpointDirectory:
    """A folder of checkpoints with its state file.

    `checkpoints` are those the state file names and that are there, oldest first; without a state
    file all there are, in the natural order of their names. `unlisted` are there but not named.
    `latest` is the one the state file calls the latest (without a state file: the last one), None
    if it is gone. `broken` maps the prefix of a checkpoint that cannot be opened to the reason.
    """

    kind: ClassVar[str] = "checkpoint-directory"

    path: str
    state: CheckpointState | None
    entries: tuple[StateEntry, ...]
    checkpoints: tuple[Checkpoint, ...]
    latest: Checkpoint | None
    unlisted: tuple[Checkpoint, ...] = ()
    broken: Mapping[str, TfArtifactsError] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
