"""The meta graphs of two artifacts, in pairs."""

from __future__ import annotations

from collections.abc import Callable, Collection

from tfartifacts.errors import TfArtifactsError
from tfartifacts.graphs.meta_graph_difference import MetaGraphDifference, compare_meta_graphs
from tfartifacts.model import (
    Artifact,
    Checkpoint,
    CheckpointDirectory,
    Graph,
    MetaGraph,
    SavedModel,
)
from tfartifacts.records import dataclass
from tfartifacts.weights.holders import latest

Tags = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ComparedGraphs:
    """The pairs, None where a side has no graph; tags of the others; what could not be read."""

    pairs: tuple[MetaGraphDifference, ...] | None = None
    only_in_a: tuple[Tags, ...] = ()
    only_in_b: tuple[Tags, ...] = ()
    damage: tuple[TfArtifactsError, ...] = ()


NOTHING = ComparedGraphs()


def graphs_of(artifact: Artifact) -> list[MetaGraph | Graph]:
    """The meta graphs of an artifact, of a checkpoint that of its `.meta` file; a bare graph.

    Of a folder those of its latest checkpoint. Raises FormatError where the file is damaged.
    """
    match artifact:
        case CheckpointDirectory():
            return graphs_of(latest(artifact))
        case Checkpoint():
            return [] if artifact.meta_graph is None else [artifact.meta_graph]
        case SavedModel():
            return list(artifact.meta_graphs)
        case _:
            return [artifact]


def compare_graphs_of(
    a: Artifact,
    b: Artifact,
    parts: Collection[str],
    *,
    constants: bool,
    select: Callable[[str], bool] | None,
) -> ComparedGraphs:
    """Compare the meta graphs of two artifacts, those with the same tags with one another.

    Those that are left over on both sides are paired in order, if there is no choice: a `.meta`
    file and a frozen graph have no tags. See compare_meta_graphs for the rest.
    """
    damage: list[TfArtifactsError] = []
    found: list[list[MetaGraph | Graph]] = []
    for artifact in (a, b):
        try:
            found.append(graphs_of(artifact))
        except TfArtifactsError as error:
            damage.append(error)
            found.append([])
    if not found[0] or not found[1]:
        return ComparedGraphs(damage=tuple(damage))
    together, only_in_a, only_in_b = _by_tags(*found)
    pairs = []
    for one, other in together:
        try:
            pairs.append(
                compare_meta_graphs(one, other, parts=parts, constants=constants, select=select)
            )
        except TfArtifactsError as error:
            damage.append(error)
    return ComparedGraphs(tuple(pairs), only_in_a, only_in_b, tuple(damage))


def _by_tags(
    ours: list[MetaGraph | Graph], theirs: list[MetaGraph | Graph]
) -> tuple[list[tuple[MetaGraph | Graph, MetaGraph | Graph]], tuple[Tags, ...], tuple[Tags, ...]]:
    pairs: list[tuple[MetaGraph | Graph, MetaGraph | Graph]] = []
    left = list(theirs)
    alone = []
    for one in ours:
        same = next((i for i, other in enumerate(left) if _tags(other) == _tags(one)), None)
        if same is None:
            alone.append(one)
        else:
            pairs.append((one, left.pop(same)))
    if alone and left and (not pairs or len(alone) == len(left) == 1):
        count = min(len(alone), len(left))
        pairs += zip(alone[:count], left[:count], strict=True)
        alone, left = alone[count:], left[count:]
    return pairs, tuple(map(_tags, alone)), tuple(map(_tags, left))


def _tags(graph: MetaGraph | Graph) -> Tags:
    return tuple(sorted(graph.tags)) if isinstance(graph, MetaGraph) else ()
