"""What an artifact computes of given inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from tfartifacts.errors import ConversionError
from tfartifacts.execution.feeds import with_pixels
from tfartifacts.execution.loading import AS_IT_IS, Loading, loaded
from tfartifacts.execution.requests import (
    Request,
    fetched,
    graph_of,
    read_feeds,
    refuse_uninitialized,
    request,
)
from tfartifacts.execution.sources import keys_of
from tfartifacts.graphs.assets import recorded_assets
from tfartifacts.model import Artifact, Checkpoint, CheckpointDirectory, MetaGraph, TensorInfo
from tfartifacts.records import dataclass
from tfartifacts.storage.files import describe_file

_TABLE_INITIALIZERS = "table_initializer"


@dataclass(frozen=True)
class Run:
    """All that is known of a run before TensorFlow is needed: values read, nothing missing."""

    artifact: Artifact
    asked: Request
    feeds: Mapping[str, Any]  # by tensor; of a picture a Picture
    loading: Loading = AS_IT_IS

    def execute(
        self,
        *,
        batch_size: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, Any]:
        """The outputs by their keys, as arrays.

        With a `batch_size` the first dimension of inputs is cut into parts of that many, and the
        outputs are put together again; inputs whose first dimension has a size of its own, and
        scalars, go whole into each part.

        Raises ExecutionError with TensorFlow's reason, MissingDependencyError without TensorFlow.
        """
        infos = {info.name: info for info in self.asked.inputs.values()}
        feeds = {name: with_pixels(value, infos[name]) for name, value in self.feeds.items()}
        fetches = [info.name for info in self.asked.outputs.values()]
        parts = None if batch_size is None else _parts(feeds, infos, batch_size)
        with loaded(self.artifact, self.loading) as session:
            if parts is None:
                values = session.run(fetches, feeds)
            else:
                values = _batches(session.run, fetches, feeds, parts, progress)
        return dict(zip(self.asked.outputs, values, strict=True))


def prepare(
    artifact: Artifact,
    inputs: Mapping[str, Any],
    outputs: Sequence[str] = (),
    *,
    signature: str | None = None,
    tags: Iterable[str] | None = None,
) -> Run:
    """A run, checked as far as that goes without TensorFlow.

    `inputs` maps keys of a signature, or tensors, to arrays, or to texts as read_feed takes them.
    Raises NameNotFoundError with close names, PathNotFoundError, and ConversionError for values
    that do not fit and for inputs that are missing.
    """
    tags = None if tags is None else tuple(tags)
    graph = graph_of(artifact, tags)
    asked = request(artifact, inputs, outputs, signature=signature, tags=tags)
    feeds = read_feeds(graph, asked, inputs)
    refuse_uninitialized(artifact, fetched(asked.outputs.values()), feeds)
    files = _moved_files(artifact, fetched(asked.outputs.values()))
    loading = Loading(tags=tags, keys=keys_of(artifact), files=files)
    return Run(artifact, asked, feeds, loading)


def run(
    artifact: Artifact,
    inputs: Mapping[str, Any],
    outputs: Sequence[str] = (),
    *,
    signature: str | None = None,
    tags: Iterable[str] | None = None,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The outputs by their keys, as arrays: `prepare`, then `execute`; see there."""
    prepared = prepare(artifact, inputs, outputs, signature=signature, tags=tags)
    return prepared.execute(batch_size=batch_size, progress=progress)


def _moved_files(artifact: Artifact, outputs: Iterable[str]) -> dict[str, str]:
    """Files that a checkpoint's graph reads where they no longer are, found beside it."""
    if isinstance(artifact, CheckpointDirectory) and artifact.latest is not None:
        artifact = artifact.latest
    if not isinstance(artifact, Checkpoint) or not isinstance(artifact.meta_graph, MetaGraph):
        return {}
    tables = artifact.meta_graph.collections.get(_TABLE_INITIALIZERS)
    read = [*outputs, *(() if tables is None else map(str, tables.values))]
    found = {}
    for asset in recorded_assets(artifact.meta_graph, read):
        if describe_file(asset.path) is not None:
            continue
        with suppress(ConversionError):  # outside of the folder: TensorFlow will miss it
            file = artifact.find_file(asset.path, False)
            if file is not None:
                found[asset.tensor] = file.path
    return found


@dataclass(frozen=True, slots=True)
class _Parts:
    """How inputs are cut: these, into parts of `size` of `total` rows."""

    cut: frozenset[str]
    size: int
    total: int


def _parts(feeds: Mapping[str, Any], infos: Mapping[str, TensorInfo], size: int) -> _Parts:
    cut = {name: len(value) for name, value in feeds.items() if value.ndim and _grows(infos[name])}
    if not cut:
        raise ConversionError(
            "found no input with a first dimension of any size, expected one to be cut in batches"
        )
    if len(set(cut.values())) > 1:
        shown = ", ".join(f"{name} has {count}" for name, count in cut.items())
        raise ConversionError(
            f"found inputs of several lengths ({shown}), expected one, to be cut in batches"
        )
    return _Parts(frozenset(cut), size, next(iter(cut.values())))


def _grows(info: TensorInfo) -> bool:
    return info.shape is None or (len(info.shape) > 0 and info.shape[0] is None)


def _batches(
    run_once: Callable[[list[str], dict[str, Any]], list[Any]],
    fetches: list[str],
    feeds: dict[str, Any],
    parts: _Parts,
    progress: Callable[[int, int], None] | None,
) -> list[Any]:
    import numpy as np

    several = parts.total > parts.size
    done: list[list[Any]] = []
    for start in range(0, max(parts.total, 1), parts.size):
        end = min(start + parts.size, parts.total)
        part = {
            name: value[start:end] if name in parts.cut else value for name, value in feeds.items()
        }
        values = run_once(fetches, part)
        for name, value, first in zip(fetches, values, (done or [values])[0], strict=True):
            if several and (not value.ndim or len(value) != end - start):
                raise ConversionError(
                    f"found shape {value.shape} for {name} of a batch of {end - start}, expected "
                    "one row each; run it in one batch"
                )
            if value.shape[1:] != first.shape[1:]:
                raise ConversionError(
                    f"found rows of shape {value.shape[1:]} for {name} in one batch, "
                    f"{first.shape[1:]} in another, expected the same; run it in one batch"
                )
        done.append(values)
        if progress is not None:
            progress(end, parts.total)
    columns = zip(*done, strict=True)
    return [np.concatenate(values) if several else values[0] for values in columns]
