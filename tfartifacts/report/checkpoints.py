"""A checkpoint, or a folder of them, as a document."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tfartifacts.report.findings import Findings, describe_error
from tfartifacts.report.graphs import describe_meta_graph
from tfartifacts.report.units import utc
from tfartifacts.report.view import Document, View

if TYPE_CHECKING:
    from tfartifacts.model.checkpoints import (
        Checkpoint,
        CheckpointDirectory,
        File,
        ObjectGraph,
        StateEntry,
    )
    from tfartifacts.model.variables import Variable
    from tfartifacts.weights.roles import Account, Role


def describe_checkpoint(checkpoint: Checkpoint, view: View, findings: Findings) -> Document:
    """Summary, variables and graph of a checkpoint."""
    document = summarize_checkpoint(checkpoint, findings)
    document |= describe_contents(checkpoint, view, findings)
    document["meta_graph"] = _meta_graph(checkpoint, view, findings)
    return document


def summarize_checkpoint(checkpoint: Checkpoint, findings: Findings) -> Document:
    """What is known of a checkpoint without naming its variables."""
    return {
        "prefix": checkpoint.prefix,
        "format": checkpoint.format,
        "num_shards": checkpoint.num_shards,
        "step": checkpoint.step,
        **_saved(checkpoint, None),
        "byte_order": checkpoint.byte_order,
        "num_variables": len(checkpoint.variables),
        "num_parameters": checkpoint.num_parameters,
        "nbytes": checkpoint.nbytes,
        "files": [describe_file(file) for file in checkpoint.files],
        "file_bytes": sum(file.size for file in checkpoint.files),
        "problems": findings.problems(checkpoint.problems),
        "notes": list(checkpoint.notes),
    }


def describe_contents(checkpoint: Checkpoint, view: View, findings: Findings) -> Document:
    """The variables of a checkpoint: counted by role, and one by one."""
    from tfartifacts.weights.roles import account, variable_roles

    object_graph: ObjectGraph | None = None
    with findings.damaged():
        object_graph = checkpoint.object_graph
    roles: Mapping[str, Role] = {}
    document: Document = {"account": None}
    with findings.damaged():
        roles = variable_roles(checkpoint)
        document["account"] = describe_account(account(checkpoint, roles), roles)
    document["object_graph"] = None
    full_names: Mapping[str, str] = {}
    if object_graph is not None:
        full_names = object_graph.full_names
        document["object_graph"] = {
            "num_objects": object_graph.num_objects,
            "num_named": len(full_names),
        }
    variables = [
        variable
        for variable in checkpoint.variables.values()
        if view.selects(variable.name) or view.selects(full_names.get(variable.name, ""))
    ]
    if (key := _ORDERS.get(view.sort)) is not None:
        variables.sort(key=key)
    document["variables"] = [
        describe_variable(variable, roles, full_names, view) for variable in variables
    ]
    return document


def describe_account(account: Account, roles: Mapping[str, Role]) -> Document:
    """Parameters and bytes of the model, its optimizer, moving averages and all else."""
    numbers: Counter[str] = Counter(roles.values())
    other = sum(numbers.values()) - sum(numbers[role] for role in _ACCOUNTS)
    return {
        role: {
            "num_variables": other if role == "other" else numbers[role],
            "num_parameters": getattr(account, f"{role}_parameters"),
            "nbytes": getattr(account, f"{role}_bytes"),
        }
        for role in (*_ACCOUNTS, "other")
    }


_ACCOUNTS = ("model", "optimizer", "average")


def describe_variable(
    variable: Variable, roles: Mapping[str, Role], full_names: Mapping[str, str], view: View
) -> Document:
    location = None if variable.value is None else variable.value.location
    document: Document = {
        "name": variable.name,
        "dtype": variable.dtype.name,
        "shape": list(variable.shape),
        "nbytes": variable.nbytes,
        "shard": variable.shard if location is None else location.shard,
        "offset": None if location is None else location.offset,
    }
    if (role := roles.get(variable.name)) is not None:
        document["role"] = role
    if (full_name := full_names.get(variable.name)) is not None:
        document["full_name"] = full_name
    if variable.slices:
        document["num_slices"] = len(variable.slices)
        if view.shows("slices"):
            document["slices"] = [
                {
                    "spec": str(part),
                    "shape": list(part.value.shape),
                    "nbytes": part.value.nbytes,
                    "shard": None if part.value.location is None else part.value.location.shard,
                    "offset": None if part.value.location is None else part.value.location.offset,
                }
                for part in variable.slices
            ]
    return document


# Largest first; everything else upwards. Variables of equal key stay in file order.
_ORDERS: dict[str, Callable[[Variable], Any]] = {
    "name": lambda variable: variable.name,
    "size": lambda variable: -variable.nbytes,
    "shape": lambda variable: (len(variable.shape), variable.shape),
    "dtype": lambda variable: variable.dtype.name,
    "shard": lambda variable: min(
        (
            (value.location.shard, value.location.offset)
            for value in variable.values
            if value.location is not None
        ),
        default=(-1, -1),
    ),
}


def describe_file(file: File) -> Document:
    return {"path": file.path, "nbytes": file.size, "modified": utc(file.modified)}


def _saved(checkpoint: Checkpoint, timestamp: float | None) -> Document:
    """When it was saved: as the state file says, else when its files were last written."""
    if timestamp is not None and utc(timestamp):
        return {"time": utc(timestamp), "time_source": "state file"}
    if checkpoint.files:
        written = max(file.modified for file in checkpoint.files)
        return {"time": utc(written), "time_source": "file"}
    return {"time": None, "time_source": None}


def describe_directory(directory: CheckpointDirectory, view: View, findings: Findings) -> Document:
    """The checkpoints of a folder, in the order they were saved, and the latest in full."""
    entries: dict[str, StateEntry] = {}
    for entry in directory.entries:
        if entry.prefix is not None:
            entries.setdefault(entry.prefix, entry)
    latest = directory.latest
    document: Document = {
        "latest": None if latest is None else latest.prefix,
        "state": None,
        "checkpoints": [
            _kept(checkpoint, entries.get(checkpoint.prefix), directory, findings)
            for checkpoint in directory.checkpoints
        ],
        "unlisted": [
            _kept(checkpoint, None, directory, findings) for checkpoint in directory.unlisted
        ],
        "missing": [
            {"recorded": entry.recorded, "outside": entry.outside}
            for entry in directory.entries
            if entry.prefix is None
        ],
        "broken": [
            {"prefix": prefix, **describe_error(error)}
            for prefix, error in directory.broken.items()
        ],
        "notes": list(directory.notes),
        "latest_checkpoint": None,
    }
    findings.damage.extend(directory.broken.values())
    if directory.state is not None:
        document["state"] = {
            "latest_path": directory.state.latest_path,
            "all_paths": list(directory.state.all_paths),
            "timestamps": list(directory.state.timestamps),
            "last_preserved": directory.state.last_preserved,
        }
    if latest is not None:
        # What is wrong with it was found above, where it is one of the folder's.
        seen = Findings() if latest in (*directory.checkpoints, *directory.unlisted) else findings
        document["latest_checkpoint"] = {
            "kind": latest.kind,
            "path": latest.path,
            **summarize_checkpoint(latest, seen),
            **describe_contents(latest, view, findings),
            "meta_graph": _meta_graph(latest, view, findings),
        }
    return document


def _kept(
    checkpoint: Checkpoint,
    entry: StateEntry | None,
    directory: CheckpointDirectory,
    findings: Findings,
) -> Document:
    document = summarize_checkpoint(checkpoint, findings)
    document |= _saved(checkpoint, None if entry is None else entry.timestamp)
    document["name"] = os.path.relpath(checkpoint.prefix, directory.path)
    document["latest"] = checkpoint is directory.latest
    document["recorded"] = None if entry is None else entry.recorded
    document["relocated"] = entry is not None and entry.relocated
    document["outside"] = entry is not None and entry.outside
    return document


def _meta_graph(checkpoint: Checkpoint, view: View, findings: Findings) -> Document | None:
    with findings.damaged():
        if (meta_graph := checkpoint.meta_graph) is not None:
            described = describe_meta_graph(meta_graph, view, findings)
            return {"path": meta_graph.path, **described}
    return None
