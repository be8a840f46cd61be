"""What Keras would run when it loads a model: layers that carry code, classes of elsewhere.

    {"class_name": "Lambda", "config": {"function": [BYTECODE, defaults, closure] | NAME}}
    {"class_name": "__lambda__", "config": {"code": BYTECODE}}          (Keras 3)
    {"module": "os", "class_name": ..., "config": ...}                  imported by its name
    {"class_name": "TFOpLambda", "config": {"function": "io.write_file"}}    TensorFlow's API
    {"class_name": "TensorFlowOpLayer", "config": {"node_def": NodeDef as JSON}}    any op

tf.saved_model.load runs none of it; tf.keras.models.load_model does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tfartifacts.checks.findings import Severity
from tfartifacts.checks.scan.capabilities import RULES, Capability
from tfartifacts.checks.scan.rows import Reach, Row
from tfartifacts.errors import FormatError
from tfartifacts.formats.keras_metadata import objects_in, parse_metadata
from tfartifacts.records import replace

_CODE = frozenset({"Lambda", "__lambda__", "TFOpLambda>Lambda"})
_OPS = frozenset({"TFOpLambda", "SlicingOpLambda", "ClassMethod", "TensorFlowOpLayer"})
# Functions of TensorFlow's API by their last name, without underscores: those of an op, and others.
_FUNCTIONS = {
    **{op.lower(): rule.capability for op, rule in RULES.items()},
    **dict.fromkeys(
        "pyfunction numpyfunction pyfunc loadoplibrary loadlibrary loadfilesystemlibrary".split(),
        Capability.RUN_CODE,
    ),
    "getfile": Capability.NETWORK,
}
_GFILE = ".gfile."  # reads, writes, deletes
_OF_KERAS = ("keras", "tensorflow.keras", "tf_keras", "tensorflow.python.keras", "builtins")
_MOST_TARGET = 200


def scan_metadata(path: str, text: str, part: str) -> Iterator[Row]:
    """Rows for the metadata of one object of Keras. Raises FormatError where it is no JSON."""
    if not text.lstrip().startswith("{"):
        return
    seen: set[tuple[str, str]] = set()
    for found in objects_in(parse_metadata(text)):
        row = _row(found, path, part)
        if row is not None and (row.op, row.target) not in seen:
            seen.add((row.op, row.target))
            yield row


def _row(found: dict[str, Any], path: str, part: str) -> Row | None:
    class_name = found.get("class_name")
    module = found.get("module")
    config = found.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    where = str(name) if isinstance(name, str) else path or "root"
    if isinstance(class_name, str) and class_name in _CODE:
        layer: dict[str, Any] = config if isinstance(config, dict) else {}
        function = layer.get("function")
        if isinstance(function, str) and layer.get("function_type") != "lambda":
            explanation = "calls a function of the program by its name"
            return _of(Severity.WARNING, class_name, where, explanation, function, part)
        return _of(
            Severity.ERROR, class_name, where, "holds Python bytecode, which Keras runs", "", part
        )
    if class_name in _OPS and isinstance(config, dict):
        return _row_of_op(class_name, config, where, part)
    if isinstance(module, str) and isinstance(class_name, str) and not _is_of_keras(module):
        target = f"{module}.{class_name}"
        return _of(Severity.ERROR, class_name, where, "imports a module by its name", target, part)
    registered = found.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        return _of(
            Severity.NOTE, registered, where, "needs a class that the program brings", "", part
        )
    return None


def _row_of_op(class_name: str, config: dict[str, Any], where: str, part: str) -> Row | None:
    """A row for a layer that calls a function or op of TensorFlow which does something."""
    for name in _called(config):
        last = name.rpartition(".")[2].replace("_", "").lower()
        capability = _FUNCTIONS.get(last)
        if capability is None and _GFILE in f".{name}.":
            capability = Capability.WRITE_FILES
        if capability is not None and capability is not Capability.WRITE_LOG:
            row = _of(Severity.ERROR, class_name, where, "calls TensorFlow by name", name, part)
            return replace(row, capability=capability)
    return None


def _called(config: dict[str, Any]) -> list[str]:
    """The functions and ops that a layer's config names."""
    names = [config.get(key) for key in ("function", "symbol")]
    node = config.get("node_def")
    if isinstance(node, dict):
        names.append(node.get("op"))
    elif isinstance(node, str):  # JSON, or the text of a NodeDef
        names += re.findall(r"\w+", node)
        try:
            parsed = parse_metadata(node)
            names.append(parsed.get("op") if isinstance(parsed, dict) else None)
        except FormatError:
            pass
    return [name for name in names if isinstance(name, str)]


def _is_of_keras(module: str) -> bool:
    return any(module == own or module.startswith(own + ".") for own in _OF_KERAS if own)


def _of(severity: Severity, op: str, where: str, explanation: str, target: str, part: str) -> Row:
    return Row(
        severity=severity,
        capability=Capability.RUN_CODE,
        op=op[:_MOST_TARGET],
        nodes=(where,),
        num_nodes=1,
        reach=Reach.KERAS,
        explanation=explanation,
        target=target[:_MOST_TARGET],
        part=part,
    )


def unreadable(path: str, error: FormatError, part: str) -> Row:
    """A row for metadata that cannot be looked into."""
    return _of(
        Severity.WARNING,
        "",
        path or "root",
        f"metadata that is not read: {error.message}",
        "",
        part,
    )
