"""Make a checkpoint of what is intact in a damaged one.

What is taken was checked: an entry by the checksum of its block, its tensor by the checksum in the
entry. A partitioned variable is taken whole or not at all. A single damaged bit in an index of one
block makes all entries doubtful; with `unchecked_names` those are taken whose tensors' own
checksums fit: their values are right, their names, types and shapes most likely.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from tfartifacts.checks.bundles import BundleParts
from tfartifacts.checks.checkpoint_paths import checkpoint_prefix
from tfartifacts.checks.checkpoints import check_parts
from tfartifacts.checks.data_files import check_data
from tfartifacts.checks.findings import Finding, Severity
from tfartifacts.checks.v1_checkpoints import V1Parts
from tfartifacts.errors import FormatError, TfArtifactsError
from tfartifacts.formats.bundle_entries import index_file
from tfartifacts.formats.tensor_bundle import OBJECT_GRAPH_KEY
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.values import Always, Deferred, Progress
from tfartifacts.model.variables import Variable
from tfartifacts.opening.checkpoints import open_checkpoint, with_graphs
from tfartifacts.records import dataclass, replace


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was salvaged of a checkpoint, and what was not.

    `checkpoint` has the intact variables; `lost` maps the names of the others, as far as they are
    known, to the reason. `unchecked` are the variables in it whose entries are in a damaged block.
    `graph_fault` says why its `.meta` was left out, None where it was not. `findings` are all that
    is wrong with the source.
    """

    checkpoint: Checkpoint
    lost: Mapping[str, str]
    unchecked: tuple[str, ...]
    graph_fault: str | None
    findings: tuple[Finding, ...]
    is_complete: bool

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the source was damaged."""
        return not (
            self.lost
            or self.graph_fault
            or not self.is_complete
            or any(finding.severity is Severity.ERROR for finding in self.findings)
        )


def salvage(
    path: str | os.PathLike[str],
    *,
    unchecked_names: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Salvaged:
    """What is intact of the checkpoint at a path; `save` writes its `checkpoint`.

    The path is a prefix, any member file, a folder of checkpoints or a SavedModel. Every byte is
    read and checked now, values are read again when they are saved. With `unchecked_names`
    variables of damaged blocks are taken, too, where their own checksums fit.

    Raises FormatError where nothing is intact, PathNotFoundError where there is no checkpoint.
    """
    prefix = checkpoint_prefix(os.fspath(path))
    parts = check_parts(prefix, jobs=jobs, progress=progress)
    lost = dict(parts.reasons)
    intact = parts.intact_variables()
    taken: dict[str, Variable] = {}
    if isinstance(parts, BundleParts):
        taken = _doubtful(parts, lost, unchecked_names=unchecked_names, jobs=jobs)
    else:
        taken = _doubtful_v1(parts, lost, unchecked_names=unchecked_names)
    for name in taken:
        lost.pop(name, None)
    variables = {**intact, **taken}
    has_errors = any(finding.severity is Severity.ERROR for finding in parts.findings)
    if not variables and (has_errors or not parts.is_complete):
        raise _nothing_intact(prefix, parts, lost)
    if not has_errors and not lost:
        checkpoint = open_checkpoint(prefix)
    else:
        in_order = sorted(variables, key=lambda name: name.encode("utf-8", "surrogateescape"))
        checkpoint = parts.checkpoint({name: variables[name] for name in in_order})
        checkpoint = with_graphs(replace(checkpoint, path=prefix))
    checkpoint, graph_fault = _with_sound_graph(checkpoint)
    return Salvaged(
        replace(checkpoint, notes=(*checkpoint.notes, *_notes(checkpoint, lost, taken))),
        lost,
        tuple(taken),
        graph_fault,
        tuple(parts.findings),
        parts.is_complete,
    )


def _doubtful(
    parts: BundleParts, lost: dict[str, str], *, unchecked_names: bool, jobs: int | None
) -> dict[str, Variable]:
    """The variables of damaged blocks that are taken all the same; the others are lost."""
    index = parts.index
    if index is None:
        return {}
    for name in index.orphaned:
        lost.setdefault(name, "the entry that lists its slices is lost")
    for name, fault in index.doubtful.items():
        lost.setdefault(name, f"its entry is in a damaged block of the index: {fault}")
    for name in index.unchecked:
        lost.setdefault(name, "its entry is in a damaged block of the index")
    if not unchecked_names:
        return {}
    data = check_data(parts.prefix, index.header, index.unchecked, is_complete=False, jobs=jobs)
    lost.update(data.reasons)
    return {
        name: variable for name, variable in index.unchecked.items() if name not in data.reasons
    }


def _doubtful_v1(
    parts: V1Parts, lost: dict[str, str], *, unchecked_names: bool
) -> dict[str, Variable]:
    if unchecked_names:
        return dict(parts.unchecked)
    for name in parts.unchecked:
        lost.setdefault(name, "the header that gives its type and shape is in a damaged block")
    return {}


def _nothing_intact(
    prefix: str, parts: BundleParts | V1Parts, lost: Mapping[str, str]
) -> FormatError:
    index = parts.index if isinstance(parts, BundleParts) else None
    doubtful = len(parts.unchecked) if isinstance(parts, V1Parts) else 0
    if index is not None:
        doubtful = sum(name in lost for name in index.unchecked)
    details = tuple(str(finding) for finding in parts.findings[:5])
    if isinstance(parts, BundleParts) and index is None:
        what = "without an index that can be read nothing of a checkpoint can be told"
        return FormatError(what, path=index_file(prefix), details=details)
    hint = ""
    if doubtful:
        hint = (
            f"; names of {doubtful} variables can be made out in damaged blocks: --unchecked-names "
            "(unchecked_names=True) takes those whose own checksums fit"
        )
    return FormatError(
        f"found nothing intact, expected at least one variable{hint}", path=prefix, details=details
    )


def _with_sound_graph(checkpoint: Checkpoint) -> tuple[Checkpoint, str | None]:
    """The checkpoint with its graph if that can be read; else without, and why."""
    try:
        meta_graph = checkpoint.meta_graph
    except TfArtifactsError as fault:
        without = replace(checkpoint, meta_graph_part=Deferred(Always(None)))
        return without, str(fault)
    return replace(checkpoint, meta_graph_part=Deferred(Always(meta_graph))), None


def _notes(
    checkpoint: Checkpoint, lost: Mapping[str, str], taken: Mapping[str, Variable]
) -> list[str]:
    notes = []
    if taken:
        notes.append(
            f"{len(taken)} variables were named in a damaged block: the checksums of their values "
            "fit, names, types and shapes are as they were found"
        )
    if OBJECT_GRAPH_KEY in lost:
        notes.append(
            "the object graph is lost: tf.train.Checkpoint finds nothing to restore in the result, "
            "and does not say so; tf.train.load_checkpoint reads it"
        )
    elif lost and OBJECT_GRAPH_KEY in checkpoint.variables:
        notes.append(
            "the object graph was kept as it is: tf.train.Checkpoint does not restore objects "
            "whose variables are lost; leave those out of it"
        )
    if lost and checkpoint.meta_graph is not None:
        notes.append("the graph was kept as it is: its restore op asks for lost variables, too")
    return notes
