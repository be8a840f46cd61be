"""What TensorFlow Serving needs besides what every loader needs.

    models/name/1/saved_model.pb    the folder of a version is a positive integer
    tag serve, a signature serving_default, methods with keys of their own

Source: tensorflow_serving: sources/storage_path/file_system_storage_path_source.cc, servables/
tensorflow/{saved_model_bundle_factory,predict_util,classifier,regressor}.cc; tensorflow/python/
saved_model/signature_def_utils_impl.py, is_valid_signature.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from tfartifacts.checks.faults import Faults, few
from tfartifacts.checks.findings import Finding, Severity, error
from tfartifacts.checks.fit import check_fit
from tfartifacts.checks.op_signatures import is_known
from tfartifacts.checks.unfilled_state import check_unfilled_state
from tfartifacts.formats import saved_model as layout
from tfartifacts.graphs.signature_check import INTERNAL_SIGNATURES
from tfartifacts.model import MetaGraph, SavedModel, Signature, TensorInfo
from tfartifacts.model.saved_models import (
    DEFAULT_SIGNATURE,
    PREDICT_METHOD,
    SERVING_TAG,
    format_tags,
)

CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"
_METHODS = (PREDICT_METHOD, CLASSIFY_METHOD, REGRESS_METHOD)
# By method: keys of the inputs, keys of the outputs, each with the type it has to have.
_KEYS = {
    CLASSIFY_METHOD: ({"inputs": "string"}, {"classes": "string", "scores": "float32"}),
    REGRESS_METHOD: ({"inputs": "string"}, {"outputs": "float32"}),
}
_FAILS_IN_SERVING = frozenset(("no-saver", "uninitialized-state"))
# As Serving reads the name of a folder: a decimal int64.
_VERSION = re.compile(r"[0-9]{1,18}", re.ASCII)
_ACCELERATOR = re.compile(r"(?:^|[/:])(gpu|tpu)\b", re.ASCII | re.IGNORECASE)
_REMOTE = re.compile(r"/job:(?!localhost\b)|/task:(?!0\b)|/replica:(?!0\b)", re.ASCII)


def check_serving(path: str, saved_model: SavedModel | None) -> Iterator[Finding]:
    """What keeps TensorFlow Serving from serving a model, or from serving it as it was meant.

    `path` is what was given: the folder of a version, or of a model that holds versions;
    `saved_model` what was opened there, None for what is no SavedModel. What is wrong with the
    SavedModel for every loader is told by check_saved_model.
    """
    if saved_model is None:
        yield error("serving-no-model", "found no SavedModel, expected one to serve", path)
        return
    yield from _check_folder(path, saved_model)
    yield from _check_file(path, saved_model)
    served = next((m for m in saved_model.meta_graphs if m.tags == {SERVING_TAG}), None)
    if served is None:
        there = ", ".join(format_tags(m.tags) for m in saved_model.meta_graphs) or "none"
        yield error(
            "serving-tag",
            f"found tag sets {there}, expected {format_tags([SERVING_TAG])}; set it with "
            "`tfartifacts tags set`",
            path,
        )
        return
    faults = Faults(path)
    _check_signatures(served, faults)
    _check_nodes(served, faults)
    yield from faults.findings()
    yield from _without_values(served, saved_model, path)


def _without_values(meta_graph: MetaGraph, saved_model: SavedModel, path: str) -> Iterator[Finding]:
    """Warnings for other loaders, which help themselves where the C++ loader does not.

    It builds no Saver, and runs no initialiser that the init op does not run.
    """
    checkpoint = saved_model.checkpoint
    variables = {} if checkpoint is None else checkpoint.variables
    for finding in (
        *check_fit(meta_graph, variables, path=path),
        *check_unfilled_state(meta_graph, path=path),
    ):
        if finding.code in _FAILS_IN_SERVING:
            code = f"serving-{finding.code}"
            yield error(code, f"{finding.message}; calls fail", path, name=finding.name)


def _check_folder(path: str, saved_model: SavedModel) -> Iterator[Finding]:
    """Versions are numbers; 0 is one to Serving's file system source, though not by its docs."""
    folder = os.path.abspath(saved_model.path or path)
    name = os.path.basename(folder)
    if _VERSION.fullmatch(name) is None or int(name) < 1:
        yield Finding(
            Severity.ERROR,
            "serving-version",
            f"found folder {name!r}, expected a version's number: Serving finds a model only in "
            "such as MODEL/1; move it there",
            path,
            None,
            name,
        )


def _check_file(path: str, saved_model: SavedModel) -> Iterator[Finding]:
    file = saved_model.file
    if file is not None and not os.access(file.path, os.R_OK):
        yield error(
            "serving-file", "found a file that cannot be read, expected to read it", file.path
        )
    if file is not None and os.path.basename(file.path) not in layout.FILES:
        yield error(
            "serving-file",
            f"found {os.path.basename(file.path)}, expected {layout.BINARY_FILE}",
            path,
        )


def _check_signatures(meta_graph: MetaGraph, faults: Faults) -> None:
    signatures = {
        key: signature
        for key, signature in meta_graph.signatures.items()
        if not key.startswith(INTERNAL_SIGNATURES)
    }
    if not signatures:
        faults.error("serving-signature", "found no signature, expected one to call")
        return
    if DEFAULT_SIGNATURE not in signatures:
        faults.warning(
            "serving-signature",
            f"found no signature {DEFAULT_SIGNATURE!r}, expected it: a request has to name one of "
            f"{few(list(signatures))}",
            DEFAULT_SIGNATURE,
        )
    for key, signature in signatures.items():
        _check_method(key, signature, faults)


def _check_method(key: str, signature: Signature, faults: Faults) -> None:
    method = signature.method_name
    if method not in _METHODS:
        # Serving of today serves predict whatever the name is (predict_util.cc).
        faults.warning(
            "serving-method",
            f"found method {method!r} of signature {key!r}, expected one of "
            f"{', '.join(_METHODS)}; older versions of Serving refuse it",
            key,
        )
    if not signature.inputs or not signature.outputs:
        side = "outputs" if signature.inputs else "inputs"
        faults.warning(
            "serving-empty-signature",
            f"found no {side} of signature {key!r}, expected some to serve",
            key,
        )
    if method in _KEYS:
        inputs, outputs = _KEYS[method]
        _check_keys(key, "input", signature.inputs, inputs, faults, optional=False)
        optional = len(outputs) > 1
        _check_keys(key, "output", signature.outputs, outputs, faults, optional=optional)


def _check_keys(
    key: str,
    side: str,
    found: Mapping[str, TensorInfo],
    expected: Mapping[str, str],
    faults: Faults,
    *,
    optional: bool,
) -> None:
    wanted = " or ".join(map(repr, expected))
    missing = [name for name in expected if name not in found]
    strange = [name for name in found if name not in expected]
    if strange or len(missing) == len(expected) or (missing and not optional):
        there = few(list(found)) or "none"
        faults.warning(
            "serving-keys",
            f"found {side}s {there} of signature {key!r}, expected {wanted} for its method; calls "
            "by that method fail",
            key,
        )
    for name, dtype in expected.items():
        info = found.get(name)
        if info is not None and (info.dtype is None or info.dtype.name != dtype):
            faults.warning(
                "serving-keys",
                f"found {side} {name!r} of signature {key!r} of type {info.dtype or 'unknown'}, "
                f"expected {dtype} for its method; calls by that method fail",
                key,
            )


def _check_nodes(meta_graph: MetaGraph, faults: Faults) -> None:
    functions = meta_graph.graph.functions
    custom: dict[str, str] = {}
    bodies = (functions[name].nodes for name in functions)
    for nodes in (meta_graph.graph.nodes, *bodies):
        for node in nodes:
            if not is_known(node.op) and node.op not in functions:
                custom.setdefault(node.op, node.name)
            if _ACCELERATOR.search(node.device):
                faults.warning(
                    "serving-device",
                    f"found node {node.name!r} on {node.device!r}, expected no device: Serving "
                    "needs one, or a model exported with its devices cleared",
                    node.name,
                )
            elif _REMOTE.search(node.device):
                faults.error(
                    "serving-device",
                    f"found node {node.name!r} on {node.device!r} of a cluster, expected no "
                    "device; export it with its devices cleared",
                    node.name,
                )
    if custom:
        faults.warning(
            "serving-op",
            f"found ops {few(list(custom))}, which no TensorFlow has, expected those of Serving's "
            "binary: it has to be built with them",
            next(iter(custom)),
        )
