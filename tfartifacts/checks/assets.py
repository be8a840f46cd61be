"""The files below `assets/` of a SavedModel, as its meta graphs declare them.

Loaders join a declared name to the path of `assets/` and feed the result, whatever it is: `../x`
and absolute names are followed (python/saved_model/loader_impl.py, cc/saved_model/loader_util.cc).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator

from tfartifacts.checks.faults import Faults
from tfartifacts.checks.findings import Finding
from tfartifacts.formats import saved_model as layout
from tfartifacts.graphs.edges import parse_input
from tfartifacts.model import MetaGraph, SavedModel
from tfartifacts.storage.files import linked_folder, with_parents

_DRIVE = re.compile(r"[A-Za-z]:")
_MOST_NAME = 255  # bytes of a part of a path, which file systems take


def check_declared_assets(
    meta_graph: MetaGraph, *, path: str, where: str = ""
) -> Iterator[Finding]:
    """What a meta graph says of its assets: names, and the tensors that are fed their paths."""
    faults = Faults(path, where)
    fed: set[str] = set()
    for asset in meta_graph.asset_files:
        if reason := unsafe_name(asset.filename):
            faults.error(
                "asset-name",
                f"found asset {asset.filename!r}, {reason}, expected the name of a file below "
                f"{layout.ASSETS_FOLDER}/; do not load it: TensorFlow follows such a name",
                asset.filename,
            )
        node = parse_input(asset.tensor_name).node
        if node not in meta_graph.graph:
            faults.error(
                "asset-tensor",
                f"found asset {asset.filename!r} for tensor {asset.tensor_name!r}, expected a "
                "tensor of the graph",
                asset.filename,
            )
        if asset.tensor_name in fed:
            faults.error(
                "asset-tensor-twice",
                f"found two assets for tensor {asset.tensor_name!r}, expected one: TensorFlow "
                "Serving refuses to feed it twice",
                asset.filename,
            )
        fed.add(asset.tensor_name)
    yield from faults.findings()


def unsafe_name(filename: str) -> str:
    """Why an asset's name may lead out of `assets/`, or to no file; "" where it does not."""
    if not filename:
        return "which is empty"
    if "\0" in filename:
        return "with a NUL byte"
    if "\\" in filename:
        return "with a backslash"
    if filename.startswith("/"):
        return "which is absolute"
    if _DRIVE.match(filename):
        return "with a drive letter"
    parts = filename.split("/")
    if ".." in parts:
        return "which leads up"
    if parts[-1] in ("", "."):
        return "which is a folder"
    if any(len(os.fsencode(part)) > _MOST_NAME for part in parts):
        return "too long for a file"
    return ""


def check_asset_files(saved_model: SavedModel, *, path: str) -> Iterator[Finding]:
    """What lies below `assets/`: what is declared is there, nothing leads out."""
    folder = os.path.join(saved_model.path or ".", layout.ASSETS_FOLDER)
    faults = Faults(path)
    for asset in saved_model.assets:
        name = asset.filename
        if not asset.tensor_names:
            faults.note(
                "undeclared-asset",
                f"found {name!r} below {layout.ASSETS_FOLDER}/, which no meta graph declares",
                name,
            )
        elif not unsafe_name(name):
            fault = _fault_of_file(folder, name, path)
            if fault:
                faults.error("asset-file", f"found {fault}", name)
    yield from faults.findings()


def _fault_of_file(folder: str, name: str, model: str) -> str:
    """Why a declared file is not one of the SavedModel's own; "" where it is.

    `model` is the file of the SavedModel: where that is a link, assets may lie beside its target.
    """
    there = os.path.join(folder, *name.split("/"))
    expected = f"expected a file {layout.ASSETS_FOLDER}/{name}"
    try:
        status = os.stat(there)
    except OSError as error:
        link = "a link that leads nowhere" if os.path.islink(there) else "no such file"
        reason = link if isinstance(error, FileNotFoundError) else (error.strerror or "").lower()
        return f"{reason} for asset {name!r}, {expected}; copy it from where the model was made"
    if not stat.S_ISREG(status.st_mode):
        return f"no regular file for asset {name!r}, {expected}: a loader may wait for it for ever"
    root = os.path.realpath(folder)
    target = os.path.realpath(there)
    if root not in with_parents(target) and os.path.dirname(target) != linked_folder(model):
        return (
            f"asset {name!r} that is a link to {target!r}, out of "
            f"{layout.ASSETS_FOLDER}/, {expected}; replace the link by the file"
        )
    return ""
