"""Cycles in a graph that are no while loops.

A while loop of TensorFlow 1 closes over NextIteration -> Merge; any other cycle keeps a graph from
being imported. Source: tensorflow/core/common_runtime/graph_constructor.cc, InitFromEdges.
"""

from __future__ import annotations

from collections.abc import Sequence

_MERGES = frozenset(("Merge", "RefMerge"))
_CLOSING = frozenset(("NextIteration", "RefNextIteration"))
_MOST_SHOWN = 6


def nodes_in_cycles(ops: Sequence[str], sources: Sequence[Sequence[int]]) -> list[int]:
    """Positions of the nodes on a cycle that is no loop, or on a way from one to another.

    `ops[i]` is the op of node i, `sources[i]` are the positions of all that it takes or waits for.
    """
    waits = [_without_loop(ops, index, found) for index, found in enumerate(sources)]
    users: list[list[int]] = [[] for _ in ops]
    for index, found in enumerate(waits):
        for source in found:
            users[source].append(index)
    left = _left(users, waits, set(range(len(ops))))
    # What only depends on a cycle is not in one.
    return sorted(_left(waits, users, left))


def one_cycle(
    ops: Sequence[str], sources: Sequence[Sequence[int]], among: Sequence[int]
) -> list[int]:
    """One cycle among nodes that nodes_in_cycles gave, each followed by one that takes it."""
    inside = set(among)
    place: dict[int, int] = {}
    walked: list[int] = []
    index = among[0]
    while index not in place:
        place[index] = len(walked)
        walked.append(index)
        waits = _without_loop(ops, index, sources[index])
        index = next(source for source in waits if source in inside)
    return walked[place[index] :][::-1]


def describe_cycle(names: Sequence[str], cycle: Sequence[int]) -> str:
    names = [names[index] for index in cycle]
    shown = names[:_MOST_SHOWN] + (["..."] if len(names) > _MOST_SHOWN else [])
    return " -> ".join([*map(_quoted, shown), repr(names[0])])


def _quoted(name: str) -> str:
    return name if name == "..." else repr(name)


def _without_loop(ops: Sequence[str], index: int, sources: Sequence[int]) -> Sequence[int]:
    if ops[index] not in _MERGES:
        return sources
    return [source for source in sources if ops[source] not in _CLOSING]


def _left(
    users: Sequence[Sequence[int]], waits: Sequence[Sequence[int]], among: set[int]
) -> set[int]:
    """What is never ready when a node is ready once all it waits for, among these, is."""
    if len(among) == len(waits):
        pending = dict(enumerate(map(len, waits)))
    else:
        pending = {index: sum(source in among for source in waits[index]) for index in among}
    ready = [index for index, count in pending.items() if not count]
    left = set(among)
    while ready:
        index = ready.pop()
        left.discard(index)
        for user in users[index]:
            if user in pending:
                pending[user] -= 1
                if not pending[user]:
                    ready.append(user)
    return left
