"""Manifests that were written, or would be."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from tfartifacts.model.manifests import Manifest
from tfartifacts.report.escape import printable
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column
from tfartifacts.report.units import count, size
from tfartifacts.report.view import Document

SCHEMA = 1


def describe_manifest(
    path: str, manifest_path: str, manifest: Manifest, *, unchanged: bool, replaces: bool
) -> Document:
    """One manifest, of the artifact at `path`."""
    return {
        "kind": manifest.kind,
        "path": path,
        "manifest": manifest_path,
        "unchanged": unchanged,
        "replaces": replaces,
        "num_files": len(manifest.files),
        "nbytes": manifest.nbytes,
        "files": [
            {"name": entry.name, "size": entry.size, "sha256": entry.sha256}
            for entry in manifest.files
        ],
    }


def describe_manifests(
    path: str, manifests: Sequence[Document], notes: Sequence[str], *, dry_run: bool
) -> Document:
    """All manifests of what was found at a path, as it was given."""
    return {
        "schema": SCHEMA,
        "kind": "manifests",
        "path": path,
        "dry_run": dry_run,
        "manifests": list(manifests),
        "notes": list(notes),
    }


def manifest_lines(document: Document, layout: Layout) -> Iterator[str]:
    """The same for a person."""
    for line in _lines(document, layout):
        yield printable(line, ascii_only=layout.ascii_only)


_COLUMNS = (
    Column("manifest", elastic=True),
    Column("of"),
    Column("files", right=True),
    Column("size", right=True),
    Column(""),
)


def _lines(document: Document, layout: Layout) -> Iterator[str]:
    yield f"Manifests of {document['path']}"
    rows = [
        [
            os.path.relpath(found["manifest"], _folder(document["path"])),
            found["kind"],
            count(found["num_files"]),
            size(found["nbytes"]),
            _what(found, dry_run=document["dry_run"]),
        ]
        for found in document["manifests"]
    ]
    yield from layout.rows(_COLUMNS, rows)
    if not rows:
        yield from layout.notes(["none"])
    if document["dry_run"]:
        yield from layout.notes(["nothing was written (--dry-run)"])
    yield from layout.notes(document["notes"])


def _folder(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(path) or "."


def _what(found: Document, *, dry_run: bool) -> str:
    if found["unchanged"]:
        return "there already"
    done = "replaced" if found["replaces"] else "written"
    return f"would be {done}" if dry_run else done
