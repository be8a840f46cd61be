"""The files that a graph reads, and where they are: assets of a SavedModel."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from shlex import quote

from tfartifacts.errors import ConversionError
from tfartifacts.graphs.assets import (
    asset_names,
    basename,
    computed_paths,
    recorded_assets,
    with_assets,
)
from tfartifacts.model.checkpoints import File, FindFile
from tfartifacts.model.saved_models import Asset, MetaGraph, SavedModel
from tfartifacts.records import dataclass, replace
from tfartifacts.storage.files import describe_file
from tfartifacts.storage.recorded_files import refuse_outside

# collection_def: what a loader of 2016 looked for assets in; asset_file_def says the same.
_ASSETS_COLLECTION = "saved_model_assets"


@dataclass(frozen=True, slots=True)
class FindAsset:
    """Where the assets of a SavedModel are, by their names in it."""

    saved_model: SavedModel

    def __call__(self, recorded: str, follow_external: bool) -> File | None:
        file = next((a.file for a in self.saved_model.assets if a.filename == recorded), None)
        if file is not None and not follow_external:
            refuse_outside(file, self.saved_model.path or "")
        return file


@dataclass(frozen=True, slots=True)
class Search:
    """Where files are looked for.

    `finders` know where recorded paths may lead, outside of the artifact only with
    `follow_external`; `moved` maps such paths, or their last parts, to where a caller says they
    are.
    """

    finders: tuple[FindFile, ...]
    moved: Mapping[str, str]
    follow_external: bool = False

    def find(self, recorded: str) -> File | None:
        """Where it is; raises ConversionError where that is outside, and nowhere else."""
        outside: ConversionError | None = None
        for find in self.finders:
            try:
                file = find(recorded, self.follow_external)
            except ConversionError as error:
                outside = outside or error
                continue
            if file is not None:
                return file
        if outside is not None:
            raise outside
        return None


def with_asset_files(
    meta_graph: MetaGraph, needs: Iterable[tuple[Iterable[str], Iterable[str]]], search: Search
) -> tuple[MetaGraph, tuple[Asset, ...], tuple[str, ...]]:
    """The meta graph that declares the files it reads, those files, and where they were found."""
    needs = list(needs)
    recorded = {
        asset.tensor: asset.path
        for outputs, fed in needs
        for asset in recorded_assets(meta_graph, outputs, fed)
    }
    declared: dict[str, list[str]] = {}
    for asset_file in meta_graph.asset_files:
        declared.setdefault(asset_file.filename, []).append(asset_file.tensor_name)
    names = asset_names(recorded.values(), declared)
    given = where_given(search.moved, [*names, *declared])
    assets, notes = [], []
    beside: dict[str, str] = {}
    for path, name in [*names.items(), *((name, name) for name in declared)]:
        file = _found(path, search, given.get(path), path in declared)
        if path in names and path not in given:
            _refuse_one_for_two(path, file, beside)
        tensors = declared.get(path) or [
            tensor for tensor, recorded_at in recorded.items() if recorded_at == path
        ]
        moved_to = "" if file.path == path or path in declared else f" (recorded as {path})"
        assets.append(Asset(name, tuple(tensors), file))
        notes.append(f"assets/{name} is {file.path}{moved_to}")
    computed = [path for outputs, fed in needs for path in computed_paths(meta_graph, outputs, fed)]
    notes += [
        f"{path.reader} reads a file whose path {path.node} computes: it is no asset, and has to "
        "be there on every machine that loads the result"
        for path in dict.fromkeys(computed)
    ]
    meta_graph = with_assets(meta_graph, {tensor: names[path] for tensor, path in recorded.items()})
    kept = {
        key: collection
        for key, collection in meta_graph.collections.items()
        if key != _ASSETS_COLLECTION
    }
    return replace(meta_graph, collections=kept), tuple(assets), tuple(notes)


def where_given(moved: Mapping[str, str], known: list[str]) -> dict[str, str]:
    """Where a caller says that files are, by their recorded paths.

    A path counts for itself alone, a last part for the one path that ends with it. Raises
    ConversionError for what is said of a file that nothing reads, of several, or of one twice.
    """
    given: dict[str, str] = {}
    for old, new in moved.items():
        meant = [old] if old in known else [path for path in known if old == basename(path)]
        if not meant:
            raise ConversionError(
                f"found asset {old!r}, expected one that the graph reads: "
                f"{', '.join(known) or 'none'}"
            )
        if len(meant) > 1:
            raise ConversionError(
                f"found asset {old!r}, which {len(meant)} files are called, expected the path of "
                f"one: {', '.join(meant)}"
            )
        if meant[0] in given:
            raise ConversionError(f"found asset {meant[0]!r} twice, expected it once")
        given[meant[0]] = new
    return given


def _refuse_one_for_two(path: str, file: File, found: dict[str, str]) -> None:
    """Refuse a file that is found for two paths, not by both: the one may be another's vocabulary.

    `found` has the paths so far, by the files found for them.
    """
    other = found.setdefault(file.path, path)
    if other == path or (_is_at(file, path) and _is_at(file, other)):
        return
    raise ConversionError(
        f"found {file.path} alone for {other!r} and for {path!r}, which the graph reads, expected "
        f"a file each: which it is is unclear; pass --asset {quote(other)}=PATH "
        f"--asset {quote(path)}=PATH"
    )


def _is_at(file: File, recorded: str) -> bool:
    """Whether a file is where a recorded path says, from some folder on."""
    path, wanted = os.path.normpath(file.path), os.path.normpath(recorded)
    return path == wanted or (not os.path.isabs(wanted) and path.endswith(os.sep + wanted))


def _found(path: str, search: Search, given: str | None, is_declared: bool) -> File:
    file = search.find(path) if given is None else describe_file(given)
    if file is not None:
        return file
    if given is not None:
        where = f"at {given}"
    else:
        where = "in the assets/ of the graph" if is_declared else "there, nor beside the source"
    raise ConversionError(
        f"found no file {where} that the graph reads as {path!r}, expected it for assets/; "
        f"pass --asset {quote(basename(path))}=PATH"
    )
