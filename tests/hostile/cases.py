"""All hostile cases, by class."""

from __future__ import annotations

from tests.hostile import entries, meta_graphs, paths, saved_models, tables, v1
from tests.hostile.case import Case, Group

ABOUT = {
    "table": "Tables: footer, handles, blocks, restarts, keys, Snappy",
    "header": "The header of a bundle",
    "entry": "Entries of a bundle",
    "string": "String tensors",
    "variant": "Variant tensors",
    "slice": "Partitioned variables",
    "name": "Names of variables",
    "V1": "V1 checkpoints",
    "state": "State files",
    "link": "Links, FIFOs, devices and holes in place of files",
    "graph": "Graphs, in a `.meta` file",
    "frozen": "Graphs alone",
    "meta": "Meta graphs",
    "text": "Meta graphs as text",
    "SavedModel": "`saved_model.pb`",
    "signature": "Signatures",
    "asset": "Assets",
    "beside": "What lies beside a `saved_model.pb`",
}

CASES: tuple[Case, ...] = tuple(
    case
    for module in (tables, entries, v1, paths, meta_graphs, saved_models)
    for case in module.cases()
)

GROUPS: tuple[Group, ...] = tuple(
    Group(name, about, tuple(case for case in CASES if case.group == name))
    for name, about in ABOUT.items()
)

BY_ID: dict[str, Case] = {case.id: case for case in CASES}
