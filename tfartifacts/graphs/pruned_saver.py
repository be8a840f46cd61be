"""The saver of a pruned graph: one restore op for what is left, in place of those there were.

What lies between a restore op and an assignment (a Cast, a Reshape, a Concat) stays as it is; of a
value that is computed of what is restored, so does what computes the tensors that are saved.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from tfartifacts.dtypes import STRING, DType
from tfartifacts.errors import UnsupportedError
from tfartifacts.graphs.edges import Edges, behind_identities, parse_input, walk
from tfartifacts.graphs.saver import RestoredTable, RestoredVariable, data_inputs
from tfartifacts.graphs.saver_building import SaverNodes, Source, free_scope, saver_nodes
from tfartifacts.model.graphs import ConstantValue, Node
from tfartifacts.records import replace


def saver_for(
    edges: Edges,
    kept: Container[int],
    variables: Iterable[RestoredVariable],
    tables: Iterable[RestoredTable],
    taken: set[str],
    save_tensor: str,
) -> tuple[list[Node], SaverNodes]:
    """Assignments of restored values, rewired to one new restore op, and the saver around them.

    `save_tensor` is what is fetched to save with the saver there was.
    """
    variables, tables = list(variables), list(tables)
    assigns = [restored.assign for restored in variables] + [table.importer for table in tables]
    computing = [
        *(restored.assign for restored in variables if restored.computed),
        *(table.importer for table in tables if table.computed),
    ]
    # Elsewhere control edges only order what a saver does. Here they may be part of it: an
    # AssignAdd that follows an Assign, say.
    ordered = _behind(edges, edges.indices(computing), kept, control=True)
    keys = {
        *((item.key, item.shape_and_slice) for item in variables if item.computed),
        *((key, part) for table in tables if table.computed for key, part, _ in table.sources),
    }
    parts = _saved_parts(edges, save_tensor, keys)
    ordered |= _behind(edges, edges.indices(parts.values()), kept, control=True)
    chain = ordered | _behind(edges, edges.indices(assigns), kept, control=False)
    names = taken | {edges.nodes[index].name for index in chain}
    scope = free_scope(names)
    position: dict[tuple[int, int], int] = {}
    sources: list[Source] = []
    contents: dict[int, list[Source]] = {}
    for index in sorted(chain):
        for producer, output in zip(edges.producers[index], edges.outputs[index], strict=True):
            if not _is_restore(edges.nodes[producer]) or (producer, output) in position:
                continue
            if producer not in contents:
                contents[producer] = _listed(edges, producer)
            if output >= len(contents[producer]):
                raise UnsupportedError(
                    f"restore op {edges.nodes[producer].name!r} does not say what its output "
                    f"{output} is; keep the training graph"
                )
            position[producer, output] = len(sources)
            sources.append(contents[producer][output])
    nodes = [
        _restored_from(edges, index, position, f"{scope}/RestoreV2", whole=index in ordered)
        for index in sorted(chain)
    ]
    saved = []
    for restored in variables:
        node = edges.nodes[edges.position[restored.variable]]
        dtype = node.attrs.get("dtype")
        if isinstance(dtype, DType) and not restored.computed:
            saved.append((Source(restored.key, restored.shape_and_slice, dtype.base), node))
    exported = []
    for table in tables:
        listed = [Source(key, slice_, dtype) for key, slice_, dtype in table.sources if dtype]
        if len(listed) == 2 and not table.computed:
            exported.append((edges.nodes[edges.position[table.table]], listed[0], listed[1]))
    unique = list(dict.fromkeys(assigns))
    return nodes, saver_nodes(scope, sources, unique, saved, exported, list(parts.items()))


def _is_restore(node: Node) -> bool:
    return node.op == "RestoreV2"


def _behind(
    edges: Edges, starts: Iterable[int], kept: Container[int], *, control: bool
) -> set[int]:
    """What lies between some nodes and the restore ops: not past them, and not into the model."""

    def is_between(index: int) -> bool:
        return index not in kept and not _is_restore(edges.nodes[index])

    towards = [edges.producers, edges.control] if control else [edges.producers]
    return {index for index in walk(starts, towards, is_between) if is_between(index)}


def _saved_parts(
    edges: Edges, save_tensor: str, keys: Container[tuple[str, str]]
) -> dict[Source, str]:
    """The tensors that the saver there was saves as those keys and slices."""
    found: dict[Source, str] = {}
    if not keys:
        return found
    for index in sorted(edges.ancestors(edges.indices([save_tensor]))):
        if edges.nodes[index].op == "SaveV2":
            saved = zip(_listed(edges, index), data_inputs(edges.nodes[index])[3:], strict=False)
            found.update(
                (source, text)
                for source, text in saved
                if (source.key, source.shape_and_slice) in keys
            )
    return found


def _listed(edges: Edges, index: int) -> list[Source]:
    """What each output of a restore op is, or what a save op is given, as far as it says."""
    dtypes = edges.nodes[index].attrs.get("dtypes")
    values = [
        edges.nodes[behind_identities(edges, producer)].attrs.get("value")
        for producer in edges.producers[index][1:3]
    ]
    strings = [
        value.strings()
        for value in values
        if isinstance(value, ConstantValue) and value.dtype == STRING
    ]
    if not isinstance(dtypes, list) or len(strings) != 2:
        return []
    return [
        Source(key.decode("utf-8", "surrogateescape"), slice_.decode("utf-8", "replace"), dtype)
        for key, slice_, dtype in zip(*strings, dtypes, strict=False)
    ]


def _restored_from(
    edges: Edges, index: int, position: Mapping[tuple[int, int], int], restore: str, *, whole: bool
) -> Node:
    """The node, with the new restore op in place of those there were; `whole`, with its order."""
    inputs: list[str] = []
    node = edges.nodes[index]
    for text in node.inputs:
        source = parse_input(text)
        producer = edges.position.get(source.node, -1)
        if source.is_control:
            is_restore = producer >= 0 and _is_restore(edges.nodes[producer])
            after = f"^{restore}" if is_restore else text
            if whole and after not in inputs:
                inputs.append(after)
            continue
        output = position.get((producer, source.output))
        if output is None:
            inputs.append(text)
        else:
            inputs.append(f"{restore}:{output}" if output else restore)
    return replace(node, inputs=tuple(inputs))
