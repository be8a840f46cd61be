"""The graph beside a checkpoint, after its variables were edited.

values, slices, shards, variables added   it stays as it is
renamed                                   its saver is given the new keys
gone                                      its saver is made anew for what is left
of another type or shape                  it is left out: it would not restore them
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from tfartifacts.errors import TfArtifactsError, UnsupportedError
from tfartifacts.graphs.matching import mismatch
from tfartifacts.graphs.rewrite import upgrade_restore_ops
from tfartifacts.graphs.saver import restored_tables, restored_variables
from tfartifacts.graphs.saver_keys import old_restore_ops, with_keys_left, with_renamed_keys
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.saved_models import MetaGraph
from tfartifacts.model.variables import Variable
from tfartifacts.records import dataclass, replace

NONE, CARRIED, REWRITTEN, LEFT_OUT = "none", "carried", "rewritten", "left out"


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of the graph: NONE, CARRIED, REWRITTEN or LEFT_OUT, and why."""

    meta_graph: MetaGraph | None
    state: str
    notes: tuple[str, ...] = ()


def followed(
    checkpoint: Checkpoint,
    keys: Mapping[str, str | None],
    variables: Mapping[str, Variable],
    averages: Container[str] = frozenset(),
) -> Followed:
    """The graph of a checkpoint, able to restore it as edited; left out where that cannot be.

    `keys` maps the names that changed to the new ones, None for what is gone; `variables` are the
    edited ones. `averages` are the names of averages that took the place of their variables.
    """
    try:
        meta_graph = checkpoint.meta_graph
        if meta_graph is None:
            return Followed(None, NONE)
        return _followed(meta_graph, checkpoint, keys, variables, averages)
    except TfArtifactsError as error:
        return _left_out(error.line)


def _followed(
    meta_graph: MetaGraph,
    checkpoint: Checkpoint,
    keys: Mapping[str, str | None],
    variables: Mapping[str, Variable],
    averages: Container[str],
) -> Followed:
    restored = _restored_keys(meta_graph)
    if not restored:
        if not keys:
            return Followed(meta_graph, CARRIED)
        return _left_out("it has no saver that says which variable is which")
    lacking = [key for key in restored if key not in checkpoint.variables]
    if lacking:
        return _left_out(
            f"it restores {len(lacking)} names that the source does not have, such as "
            f"{lacking[0]!r}"
        )
    before = meta_graph
    notes: list[str] = []
    graph = upgrade_restore_ops(meta_graph.graph)
    if old_restore_ops(graph):
        raise UnsupportedError("it has restore ops of 2016 whose names are not constants")
    if graph is not meta_graph.graph:
        meta_graph = replace(meta_graph, graph=graph)
        notes.append("its restore ops of 2016 read V1 checkpoints alone, and became RestoreV2")
    renamed, gone = _of_the_saver(keys, sorted(restored, key=lambda key: key in averages))
    left = with_keys_left(meta_graph, lambda key: key not in gone)
    if left is None:
        return _left_out("nothing that it restores is left")
    meta_graph = with_renamed_keys(left, renamed)
    if renamed:
        notes.append(
            f"its saver saves and restores {len(renamed)} variables under their new names; in the "
            "graph they are called as before"
        )
    if gone:
        notes.append(
            f"its saver leaves out {len(gone)} variables that are gone; to train on, run their "
            "initializers after restoring"
        )
    found = mismatch(meta_graph, variables)
    if found:
        if found.missing:
            return _left_out(f"it restores {next(iter(found.missing))!r}, which is not there")
        key, (wanted, there) = next(iter(found.changed.items()))
        more = f" ({len(found.changed)} such variables)" if len(found.changed) > 1 else ""
        return _left_out(f"it restores {key!r} as {wanted}, not as {there}{more}")
    if meta_graph is before:
        return Followed(meta_graph, CARRIED)
    return Followed(meta_graph, REWRITTEN, tuple(f"the graph: {note}" for note in notes))


def _restored_keys(meta_graph: MetaGraph) -> list[str]:
    keys = [item.key for item in restored_variables(meta_graph)]
    keys += [key for table in restored_tables(meta_graph) for key, *_ in table.sources]
    return list(dict.fromkeys(keys))


def _of_the_saver(
    keys: Mapping[str, str | None], restored: list[str]
) -> tuple[dict[str, str], set[str]]:
    """Which of a saver's keys get another name, and which are gone.

    Where two would get one name, a variable and the average that takes its place, the first one
    does: a save op takes no name twice.
    """
    renamed: dict[str, str] = {}
    gone: set[str] = set()
    taken = {key for key in restored if key not in keys}
    for key in restored:
        if key not in keys:
            continue
        new = keys[key]
        if new is None or new in taken:
            gone.add(key)
        else:
            taken.add(new)
            renamed[key] = new
    return renamed, gone


def _left_out(why: str) -> Followed:
    return Followed(None, LEFT_OUT, (f"the graph is left out: {why}",))
