"""Variables of a graph in a session, restored by TensorFlow's own ops, from other keys if need be.

    with a saver      its restore op is run; the constants of names that RestoreV2 ops read are fed
                      others where keys are to be exchanged
    without           each variable is assigned what TensorFlow reads under its name

Nothing of the conversion itself takes part, so that it can be judged by what comes out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from tfartifacts.errors import UnsupportedError
from tfartifacts.execution.interrupting import run_session

_FILLED = ("Assign", "AssignVariableOp", "LookupTableImport", "LookupTableImportV2")
_RESTORE = ("Restore", "RestoreSlice", "RestoreV2")
_REFERENCE_VARIABLES = ("Variable", "VariableV2")
_VARIABLES = (*_REFERENCE_VARIABLES, "VarHandleOp")
_PART = re.compile(r"(.+)/part_(\d{1,9})", re.ASCII | re.DOTALL)


def restore(
    tensorflow: Any,
    session: Any,
    saver: Any,
    prefix: str,
    keys: Mapping[str, str],
    *,
    lenient: bool = False,
) -> None:
    """Run the saver's restore op, its names exchanged for those that `keys` has for them.

    `lenient`: what the checkpoint does not have is left out. Raises UnsupportedError for a graph
    that computes the names.
    """
    start = session.graph.get_operation_by_name(saver.restore_op_name.lstrip("^"))
    feeds: dict[Any, Any] = {saver.filename_tensor_name: prefix}
    ops = [op for op in _behind(start) if op.type in _RESTORE]
    is_known = all(op.inputs[1].op.type == "Const" for op in ops)
    if not keys and not (lenient and is_known):
        run_session(session, start, feeds)
        return
    names = {op: _exchanged(_constant(tensorflow, op, 1), keys) for op in ops}
    known = tensorflow.compat.v1.train.NewCheckpointReader(prefix).get_variable_to_shape_map()
    missing = {
        op.outputs[number]
        for op, wanted in names.items()
        for number, key in enumerate(wanted.ravel())
        if _text(key) not in known
    }
    if missing and lenient:
        _restore_some(tensorflow, session, start, names, missing, prefix)
        return
    exchanged = {op.inputs[1]: wanted for op, wanted in names.items()}
    run_session(session, start, {**feeds, **exchanged})


def _restore_some(
    tensorflow: Any,
    session: Any,
    start: Any,
    names: Mapping[Any, Any],
    missing: Collection[Any],
    prefix: str,
) -> None:
    """Run the assignments whose values are there, each given its own.

    A restore op reads all that it names, or fails: its outputs are fed what others read, one each.
    """
    import numpy as np

    read: dict[Any, Any] = {}
    for op, keys in names.items():
        slices = _constant(tensorflow, op, 2) if len(op.inputs) > 2 else np.full(keys.shape, b"")
        both = zip(keys.ravel(), slices.ravel(), op.outputs, strict=True)
        for key, slice_, output in both:
            if output not in missing:
                (read[output],) = tensorflow.raw_ops.RestoreV2(
                    prefix=prefix,
                    tensor_names=[key],
                    shape_and_slices=[slice_],
                    dtypes=[output.dtype.base_dtype],
                )
    for assign in _behind(start):
        if assign.type in _FILLED:
            sources = _sources(assign, names)
            if sources and not sources & set(missing):
                values = run_session(session, [read[source] for source in sources], {})
                run_session(session, assign, dict(zip(sources, values, strict=True)))


def _sources(assign: Any, restore_ops: Collection[Any]) -> set[Any]:
    """The outputs of restore ops that an assignment takes its values from."""
    found = set()
    seen = set()
    todo = list(assign.inputs)
    while todo:
        tensor = todo.pop()
        if tensor.op in restore_ops:
            found.add(tensor)
        elif tensor not in seen:
            seen.add(tensor)
            todo += tensor.op.inputs
    return found


def _constant(tensorflow: Any, op: Any, operand: int) -> Any:
    """The strings that a restore op is given. Raises UnsupportedError where they are computed."""
    import numpy as np

    source = op.inputs[operand].op
    if source.type != "Const":
        raise UnsupportedError(
            f"found restore op {op.name!r} whose names are no constant, expected one"
        )
    # Not get_static_value: a tensor that was asked for may not be fed any more.
    return np.asarray(tensorflow.make_ndarray(source.get_attr("value")), object)


def _exchanged(names: Any, keys: Mapping[str, str]) -> Any:
    import numpy as np

    exchanged = np.empty(names.shape, object)
    exchanged.reshape(-1)[:] = [
        keys.get(_text(name), _text(name)).encode("utf-8", "surrogateescape")
        for name in names.ravel()
    ]
    return exchanged


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")


def _behind(start: Any) -> list[Any]:
    """An op and all that it needs."""
    seen = {start}
    todo = [start]
    while todo:
        op = todo.pop()
        for other in (*op.control_inputs, *(tensor.op for tensor in op.inputs)):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return list(seen)


def assign_by_name(tensorflow: Any, session: Any, prefix: str, keys: Mapping[str, str]) -> None:
    """Give each variable of a graph without a saver the value of its name.

    Or of the key that `keys` has for it; parts of a partitioned variable are cut out of the whole.
    """
    reader = tensorflow.compat.v1.train.NewCheckpointReader(prefix)
    known = reader.get_variable_to_shape_map()
    variables = [op for op in session.graph.get_operations() if op.type in _VARIABLES]
    parts: dict[str, dict[int, Any]] = {}
    for op in variables:
        name = _name_of(op)
        part = _PART.fullmatch(name)
        if (key := keys.get(name, name)) in known:
            _set(tensorflow, session, op, reader.get_tensor(key))
        elif part is not None and keys.get(part[1], part[1]) in known:
            parts.setdefault(part[1], {})[int(part[2])] = op
    for name, numbered in parts.items():
        ops = [numbered[number] for number in sorted(numbered)]
        for op, value in zip(ops, _cut(reader.get_tensor(keys.get(name, name)), ops), strict=True):
            _set(tensorflow, session, op, value)


def _name_of(op: Any) -> str:
    shared: bytes = op.get_attr("shared_name") if op.type == "VarHandleOp" else b""
    return shared.decode("utf-8", "surrogateescape") if shared else str(op.name)


def _set(tensorflow: Any, session: Any, op: Any, value: Any) -> None:
    given = tensorflow.compat.v1.placeholder(op.get_attr("dtype"))
    if op.type in _REFERENCE_VARIABLES:
        assign = tensorflow.raw_ops.Assign(ref=op.outputs[0], value=given, validate_shape=False)
    else:
        assign = tensorflow.raw_ops.AssignVariableOp(resource=op.outputs[0], value=given)
    run_session(session, assign, {given: value})


def _cut(whole: Any, ops: list[Any]) -> list[Any]:
    """The parts of a partitioned variable, which lie one behind the other in one dimension."""
    import numpy as np

    shapes = [[dim.size for dim in op.get_attr("shape").dim] for op in ops]
    for axis, size in enumerate(whole.shape):
        sizes = [shape[axis] for shape in shapes if len(shape) == whole.ndim]
        if len(sizes) == len(ops) and sum(sizes) == size:
            pieces = np.split(whole, np.cumsum(sizes)[:-1], axis)
            if all(list(piece.shape) == shape for piece, shape in zip(pieces, shapes, strict=True)):
                return pieces
    raise UnsupportedError(
        f"found {ops[0].name!r} and others, whose shapes do not make up the whole, expected parts "
        "that lie one behind the other"
    )
