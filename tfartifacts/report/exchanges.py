"""What an export wrote: tensors, files and what stayed behind, in some lines or as a document."""

from __future__ import annotations

from collections.abc import Iterator

from tfartifacts.exchange.exporting import Exported
from tfartifacts.report.checkpoints import describe_file
from tfartifacts.report.escape import printable
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column
from tfartifacts.report.units import counted, shape, size
from tfartifacts.report.view import Document

SCHEMA = 1


def describe_export(exported: Exported, destination: str, *, dry_run: bool = False) -> Document:
    """The document of an export, written or not."""
    return {
        "schema": SCHEMA,
        "kind": "export",
        "path": destination,
        "source": exported.source,
        "format": exported.format.value,
        "dry_run": dry_run,
        "notes": list(exported.notes),
        "files": [describe_file(file) for file in exported.files],
        "metadata": dict(exported.metadata),
        "tensors": [
            {
                "name": tensor.name,
                "source": tensor.source,
                "dtype": tensor.dtype.name,
                "held_as": tensor.held_as.name,
                "shape": list(tensor.shape),
                "is_transposed": tensor.is_transposed,
                "is_merged": tensor.is_merged,
            }
            for tensor in exported.tensors
        ],
        "left_out": dict(exported.left_out),
        "num_optimizer": exported.num_optimizer,
    }


def export_lines(document: Document, layout: Layout) -> Iterator[str]:
    """The same for a person."""
    for line in _lines(document, layout):
        yield printable(line, ascii_only=layout.ascii_only)


_TENSORS = (
    Column("name", elastic=True),
    Column("dtype"),
    Column("shape"),
    Column("from", elastic=True, below=True),
)


def _lines(document: Document, layout: Layout) -> Iterator[str]:
    did = "would write" if document["dry_run"] else "wrote"
    yield f"{did} {document['path']}: {document['format']}, from {document['source']}"
    files, tensors = document["files"], document["tensors"]
    total = sum(file["nbytes"] for file in files)
    facts = [
        ("files", f"{len(files)}, {size(total)}" if total else f"{len(files)}, compressed"),
        ("tensors", f"{len(tensors):,}{_facts(tensors)}"),
    ]
    reasons: dict[str, int] = {}
    for reason in document["left_out"].values():
        reasons[reason] = reasons.get(reason, 0) + 1
    if reasons:
        facts.append(
            ("left out", "; ".join(f"{count:,} ({reason})" for reason, count in reasons.items()))
        )
    if document["num_optimizer"]:
        facts.append(
            (
                "optimizer",
                f"{counted(document['num_optimizer'], 'tensor')} of these; --strip-optimizer "
                "leaves them out",
            )
        )
    yield from layout.facts(facts)
    if document["dry_run"]:
        rows = [
            (tensor["name"], tensor["dtype"], shape(tensor["shape"]), _origin(tensor))
            for tensor in tensors
        ]
        yield from layout.table("Tensors", _TENSORS, rows)
        sizes = [(file["path"], size(file["nbytes"])) for file in files]
        yield from layout.table("Files", (Column("path"), Column("size", right=True)), sizes)
    yield from layout.notes(document["notes"])


def _facts(tensors: list[Document]) -> str:
    renamed = sum(tensor["name"] != tensor["source"] for tensor in tensors)
    counts = {
        "renamed": renamed,
        "transposed": sum(tensor["is_transposed"] for tensor in tensors),
        "merged of partitions": sum(tensor["is_merged"] for tensor in tensors),
    }
    return "".join(f", {count:,} {what}" for what, count in counts.items() if count)


def _origin(tensor: Document) -> str:
    parts = [tensor["source"] if tensor["source"] != tensor["name"] else ""]
    parts += ["transposed"] if tensor["is_transposed"] else []
    parts += ["merged"] if tensor["is_merged"] else []
    if tensor["held_as"] != tensor["dtype"]:
        parts.append(f"as {tensor['held_as']}")
    return ", ".join(part for part in parts if part)
