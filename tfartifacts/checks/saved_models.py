"""A SavedModel as a whole: its meta graphs, with variables, assets and fingerprint beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tfartifacts.checks.assets import check_asset_files, check_declared_assets
from tfartifacts.checks.faults import Faults
from tfartifacts.checks.findings import Finding, Severity, error, link_out, note, of_error
from tfartifacts.checks.fingerprints import check_fingerprint
from tfartifacts.checks.fit import check_fit
from tfartifacts.checks.graphs import check_graph
from tfartifacts.checks.saved_objects import check_object_keys, check_objects
from tfartifacts.checks.signatures import check_signatures
from tfartifacts.checks.unfilled_state import check_unfilled_state
from tfartifacts.errors import FormatError, PathNotFoundError, TfArtifactsError
from tfartifacts.formats import saved_model as layout
from tfartifacts.formats.wire import Message
from tfartifacts.model import MetaGraph, SavedModel
from tfartifacts.model.saved_models import format_tags
from tfartifacts.opening.members import is_own
from tfartifacts.opening.saved_models import find_variables
from tfartifacts.storage.files import read_file


def check_saved_model(saved_model: SavedModel) -> Iterator[Finding]:
    """What is wrong with a SavedModel that was opened, or worth knowing.

    The variables' own files are not read: see what checks a checkpoint.
    """
    path = _file_of(saved_model)
    if saved_model.schema_version != 1:
        yield note(
            "schema-version",
            f"found schema version {saved_model.schema_version}, expected 1; loaders ignore it",
            path,
        )
    if not saved_model.meta_graphs:
        yield error("no-meta-graphs", "found no meta graphs, expected one at least", path)
    yield from _check_tags(saved_model, path)
    yield from _check_variables(saved_model, path)
    for meta_graph in saved_model.meta_graphs:
        yield from _check_meta_graph(saved_model, meta_graph, path)
    yield from check_asset_files(saved_model, path=path)
    if saved_model.path is not None:
        yield from check_fingerprint(saved_model.path)
        yield from _check_keras_metadata(saved_model.path)


def _file_of(saved_model: SavedModel) -> str:
    if saved_model.file is not None:
        return saved_model.file.path
    return os.path.join(saved_model.path or ".", layout.BINARY_FILE)


def _check_meta_graph(
    saved_model: SavedModel, meta_graph: MetaGraph, path: str
) -> Iterator[Finding]:
    several = len(saved_model.meta_graphs) > 1
    where = f"meta graph {format_tags(meta_graph.tags)}" if several else ""
    has_objects = meta_graph.object_graph is not None
    yield from check_graph(meta_graph.graph, path=path, where=where, all_functions=has_objects)
    yield from check_signatures(meta_graph, path=path, where=where)
    yield from check_declared_assets(meta_graph, path=path, where=where)
    yield from check_objects(meta_graph, path=path, where=where)
    if saved_model.checkpoint is not None:
        variables = saved_model.checkpoint.variables
        yield from check_fit(meta_graph, variables, path=path, where=where)
    yield from check_unfilled_state(meta_graph, path=path, where=where)


def _check_tags(saved_model: SavedModel, path: str) -> Iterator[Finding]:
    faults = Faults(path)
    seen: set[frozenset[str]] = set()
    for meta_graph in saved_model.meta_graphs:
        if meta_graph.tags in seen:
            tags = format_tags(meta_graph.tags)
            faults.warning(
                "duplicate-tags",
                f"found two meta graphs of tags {tags}, expected one: loaders take the first",
                tags,
            )
        seen.add(meta_graph.tags)
        if len(meta_graph.info.tags) != len(meta_graph.tags):
            repeated = ", ".join(meta_graph.info.tags)
            faults.note("repeated-tag", f"found a tag twice among {repeated}", repeated)
    yield from faults.findings()


def _check_variables(saved_model: SavedModel, path: str) -> Iterator[Finding]:
    """Variables where loaders look for them, if a saver is there to restore them."""
    savers = [m.saver for m in saved_model.meta_graphs if m.saver and m.saver.restore_op_name]
    checkpoint = saved_model.checkpoint
    if checkpoint is None:
        folder = saved_model.path or os.curdir
        # Where there are some that cannot be opened, their own checks tell why.
        if savers and find_variables(folder, saved_model.meta_graphs)[0] is None:
            yield error(
                "no-variables",
                f"found a saver and no {layout.VARIABLES_PREFIX}.index, expected it: the variables "
                "are missing; copy them from where the model was written",
                path,
            )
        return
    if saved_model.path is None:
        return
    standard = os.path.join(saved_model.path, *layout.VARIABLES_PREFIX.split("/"))
    if os.path.abspath(checkpoint.prefix) != os.path.abspath(standard):
        there = os.path.relpath(checkpoint.prefix, saved_model.path)
        yield error(
            "variables-elsewhere",
            f"found the variables at {there}, expected {layout.VARIABLES_PREFIX}: TensorFlow does "
            "not load it as it is; move them",
            path,
        )
    try:
        objects = checkpoint.object_graph
    except TfArtifactsError as raised:
        yield of_error("object-graph", raised, path=checkpoint.prefix)
        return
    if objects is not None:
        yield from check_object_keys(objects, checkpoint.variables, path=checkpoint.prefix)


def _check_keras_metadata(folder: str) -> Iterator[Finding]:
    path = os.path.join(folder, layout.KERAS_FILE)
    if not os.path.lexists(path):
        return
    if not is_own(path, folder):
        yield link_out(path)
        return
    try:
        for node in Message(read_file(path)).messages(1):
            node.text(3)
    except (FormatError, PathNotFoundError) as raised:
        yield of_error("keras-metadata", raised, severity=Severity.WARNING, path=path)
