"""Verify an artifact: every checksum, every reference, every part against the others.

    checkpoint         tables, tensors, shards; its `.meta` graph, and the graph against it
    checkpoint folder  the state file, and each checkpoint there is
    SavedModel         its graphs, signatures, assets, fingerprint, variables; graph against them
    graph, meta graph  the graph; a `.meta` against the checkpoint beside it
    version folder     each version in it

and the manifest, where there is one. Parts are opened one by one, not as opening does, which
stops at the first that is damaged: what is wrong with one says nothing of the others. What checks
a part is imported where there is such a part: all of it takes half as long as starting.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from tfartifacts.checks.checkpoints import CheckedCheckpoint, check_checkpoint
from tfartifacts.checks.findings import Finding, Severity, error, note, of_error
from tfartifacts.errors import (
    FormatError,
    NotThisFormatError,
    PathNotFoundError,
    TfArtifactsError,
)
from tfartifacts.formats.bundle_entries import index_file
from tfartifacts.formats.checkpoint_state import STATE_FILE
from tfartifacts.formats.saved_model import FILES
from tfartifacts.formats.tensor_bundle import OBJECT_GRAPH_KEY
from tfartifacts.model import Graph, MetaGraph, SavedModel
from tfartifacts.model.values import Progress
from tfartifacts.opening.checkpoints import open_checkpoint
from tfartifacts.opening.locating import Located, locate
from tfartifacts.opening.manifests import find_manifest
from tfartifacts.opening.messages import graph_or_meta_graph, read_content
from tfartifacts.opening.prefixes import META_SUFFIX, listing, prefixes_in
from tfartifacts.opening.saved_models import find_variables, read_without_variables
from tfartifacts.records import dataclass, field, replace
from tfartifacts.storage.files import describe_file


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found at a path.

    `findings` in the order of the parts looked at. `checkpoints` are those whose tensors were
    read, each with the names that are intact and that are not. `is_readable` is False where
    damage let nothing at all be read.
    """

    path: str
    kind: str
    findings: tuple[Finding, ...]
    checkpoints: tuple[CheckedCheckpoint, ...] = ()
    is_readable: bool = True

    def count(self, severity: Severity) -> int:
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def is_clean(self) -> bool:
        """Whether there is no error; warnings and notes are none."""
        return self.count(Severity.ERROR) == 0


@dataclass(slots=True)
class _Run:
    """One verification under way."""

    jobs: int | None
    progress: Progress | None
    for_serving: bool
    findings: list[Finding] = field(default_factory=list)
    checkpoints: list[CheckedCheckpoint] = field(default_factory=list)
    num_read: int = 0  # parts of which something could be read

    def add(self, findings: Iterable[Finding]) -> None:
        self.findings.extend(findings)

    def manifest(self, path: str, kind: str) -> None:
        if find_manifest(path, kind) is None:
            return
        from tfartifacts.checks.manifests import check_manifest

        self.add(check_manifest(path, kind, jobs=self.jobs, progress=self.progress))


def verify(
    path: str | os.PathLike[str],
    *,
    for_serving: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Look at everything an artifact holds; gives all that is wrong with it, not the first.

    `path` is what `tfa.open` takes. `for_serving` also checks what TensorFlow Serving needs.
    `jobs` is the number of threads that compute checksums, None for one for each processor;
    memory does not grow with the size of the artifact's tensors. `progress` is told how far it is.

    Nothing is executed, nothing written, and no path followed out of the artifact. Raises
    PathNotFoundError, NotThisFormatError and UnsupportedError where the path holds nothing that
    can be verified; damage is a finding.
    """
    name = os.fspath(path)
    run = _Run(jobs, progress, for_serving)
    kind = _verify(locate(name), name, run)
    return Verification(
        name, kind, tuple(run.findings), tuple(run.checkpoints), is_readable=run.num_read > 0
    )


def _verify(located: Located, shown: str, run: _Run) -> str:
    """Verify what was located; gives its kind."""
    path = located.path
    match located.kind:
        case "checkpoint":
            _checkpoint(path, run)
        case "index":
            raise NotThisFormatError(
                f"found an index that is not named so; name it {index_file(path)}, and its data "
                "files after that, to verify it",
                path=path,
            )
        case "checkpoint-directory":
            _folder(path, run)
        case "versions":
            for version in located.names:
                _verify(locate(os.path.join(path, version)), shown, run)
            return "saved-model"
        case _:
            return _message(path, shown, run)
    if run.for_serving:
        run.add([_not_servable(located.kind, shown)])
    return located.kind


def _not_servable(kind: str, path: str) -> Finding:
    return error(
        "serving-not-a-saved-model",
        f"found a {kind}, expected a SavedModel: TensorFlow Serving loads nothing else; "
        "tfartifacts convert makes one",
        path,
    )


def _folder(folder: str, run: _Run) -> None:
    names = listing(folder or os.curdir)
    prefixes = prefixes_in(folder, names)
    if STATE_FILE in names:
        from tfartifacts.checks.states import check_state_and_prefixes, place_of

        found, named = check_state_and_prefixes(folder or os.curdir)
        run.add(found)
        run.num_read += all(finding.code != "state-unreadable" for finding in found)
        # A state file may name checkpoints in folders below: openers take those for the latest.
        there = {place_of(prefix) for prefix in prefixes}
        below = {place_of(prefix): prefix for prefix in named}
        prefixes += [prefix for place, prefix in below.items() if place not in there]
    for prefix in prefixes:
        _checkpoint(prefix, run)
    metas = [os.path.join(folder, name) for name in names if name.endswith(META_SUFFIX)]
    left = [path for path in metas if path.removesuffix(META_SUFFIX) not in prefixes]
    if left:
        run.add([_without_checkpoint(left)])


def _without_checkpoint(paths: list[str]) -> Finding:
    more = f" (and {len(paths) - 1} more)" if paths[1:] else ""
    return note(
        "meta-without-checkpoint",
        f"found a graph{more}, but no checkpoint to it; pass it to verify it",
        paths[0],
    )


def _checkpoint(prefix: str, run: _Run) -> None:
    checked = check_checkpoint(prefix, jobs=run.jobs, progress=run.progress)
    run.checkpoints.append(checked)
    run.add(checked.findings)
    run.num_read += checked.num_blocks > 0
    run.add(_check_objects(checked))
    meta_path = prefix + META_SUFFIX
    if os.path.lexists(meta_path):
        from tfartifacts.checks.fit import check_fit

        meta_graph = _meta_graph(meta_path, run)
        if meta_graph is not None and checked.checkpoint is not None:
            run.add(check_fit(meta_graph, checked.checkpoint.variables, path=meta_path))
    run.manifest(prefix, "checkpoint")


def _check_objects(checked: CheckedCheckpoint) -> Iterator[Finding]:
    """An object-based checkpoint against the keys that its objects name."""
    checkpoint = checked.checkpoint
    if checkpoint is None or OBJECT_GRAPH_KEY in checked.damaged:
        return
    try:
        objects = checkpoint.object_graph
    except TfArtifactsError as raised:
        yield of_error("object-graph", raised, path=checked.prefix)
        return
    if objects is not None:
        from tfartifacts.checks.saved_objects import check_object_keys

        yield from check_object_keys(objects, checkpoint.variables, path=checked.prefix)


def _meta_graph(path: str, run: _Run) -> MetaGraph | None:
    """Verify a `.meta` file; the meta graph, None where it cannot be read or is none."""
    try:
        artifact = _read_graph(path)
        if not isinstance(artifact, MetaGraph):
            raise NotThisFormatError(f"found a {artifact.kind}, expected a meta graph", path=path)
    except TfArtifactsError as raised:
        run.add([of_error("meta-graph-unreadable", raised, path=path)])
        return None
    _check_meta_graph(artifact, path, run)
    return artifact


def _read_graph(path: str) -> Graph | MetaGraph:
    file = describe_file(path)
    if file is None:
        raise PathNotFoundError("found no regular file, expected one", path=path)
    data, content = read_content(path, file)
    if content.kind not in ("GraphDef", "MetaGraphDef"):
        raise NotThisFormatError(f"found a {content.kind}, expected a graph", path=path)
    return graph_or_meta_graph(path, data, content)


def _check_meta_graph(meta_graph: MetaGraph, path: str, run: _Run) -> None:
    from tfartifacts.checks.graphs import check_graph
    from tfartifacts.checks.signatures import check_signatures

    run.add(check_graph(meta_graph.graph, path=path))
    run.add(check_signatures(meta_graph, path=path))


def _message(path: str, shown: str, run: _Run) -> str:
    """Verify a file of one message; gives its kind."""
    file = describe_file(path)
    if file is None:
        raise PathNotFoundError("found no regular file, expected one", path=path)
    artifact: Graph | MetaGraph | SavedModel
    try:
        data, content = read_content(path, file)
        if content.kind == "CheckpointState":
            _folder(os.path.dirname(path), run)
            return "checkpoint-directory"
        if content.kind == "SavedModel":
            artifact = read_without_variables(path, file, data, content)
        else:
            artifact = graph_or_meta_graph(path, data, content)
    except FormatError as raised:
        return _unreadable(path, shown, raised, run)
    run.num_read += 1
    if isinstance(artifact, SavedModel):
        _saved_model(artifact, path, run)
    elif isinstance(artifact, MetaGraph):
        _check_meta_graph(artifact, path, run)
        _fit_beside(artifact, path, run)
        run.manifest(path, artifact.kind)
    else:
        from tfartifacts.checks.graphs import check_graph

        run.add(check_graph(artifact, path=path))
        run.manifest(path, artifact.kind)
    if run.for_serving:
        from tfartifacts.checks.serving import check_serving

        model = artifact if isinstance(artifact, SavedModel) else None
        run.add(check_serving(shown, model) if model else [_not_servable(artifact.kind, shown)])
    return artifact.kind


def _fit_beside(meta_graph: MetaGraph, path: str, run: _Run) -> None:
    """A `.meta` file against the checkpoint of its name, if that can be opened."""
    if meta_graph.checkpoint_prefix is None:
        return
    try:
        checkpoint = open_checkpoint(meta_graph.checkpoint_prefix)
    except TfArtifactsError as raised:
        run.add([of_error("checkpoint-unreadable", raised, path=meta_graph.checkpoint_prefix)])
        return
    from tfartifacts.checks.fit import check_fit

    run.add(check_fit(meta_graph, checkpoint.variables, path=path))


def _unreadable(path: str, shown: str, raised: FormatError, run: _Run) -> str:
    """What is left to look at where a message cannot be read."""
    name = os.path.basename(path)
    if isinstance(raised, NotThisFormatError) and name not in (*FILES, STATE_FILE):
        raise raised
    if name != STATE_FILE:  # what is wrong with that one is told with its folder
        run.add([of_error("message-unreadable", raised, path=path)])
    if name == STATE_FILE:
        _folder(os.path.dirname(path), run)
        return "checkpoint-directory"
    if name not in FILES:
        kind = "meta-graph" if name.endswith(META_SUFFIX) else "graph-def"
        run.manifest(path, kind)
        return kind
    folder = os.path.dirname(path)
    prefix, _ = find_variables(folder, ())
    if prefix is not None:
        _checkpoint(prefix, run)
    run.manifest(folder or os.curdir, "saved-model")
    if run.for_serving:
        from tfartifacts.checks.serving import check_serving

        run.add(check_serving(shown, None))
    return "saved-model"


def _saved_model(saved_model: SavedModel, path: str, run: _Run) -> None:
    from tfartifacts.checks.saved_models import check_saved_model

    folder = os.path.dirname(path)
    prefix, notes = find_variables(folder, saved_model.meta_graphs)
    saved_model = replace(saved_model, notes=notes)
    checked = None
    if prefix is not None:
        checked = check_checkpoint(prefix, jobs=run.jobs, progress=run.progress)
        run.checkpoints.append(checked)
        saved_model = replace(saved_model, checkpoint=checked.checkpoint)
    run.add(check_saved_model(saved_model))
    if checked is not None:
        run.add(checked.findings)
    run.manifest(folder or os.curdir, "saved-model")
