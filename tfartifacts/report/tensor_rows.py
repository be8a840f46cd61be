"""Tensors, and the tensors of a signature, as rows of a table."""

from __future__ import annotations

from tfartifacts.report.tables import Column, Columns
from tfartifacts.report.units import shape
from tfartifacts.report.view import Document

# Names of tensors are there to be copied: never cut, rather is what follows put below.
TENSOR_COLUMNS: Columns = (
    Column("tensor"),
    Column("dtype", below=True),
    Column("shape", below=True),
)
SIGNATURE_COLUMNS: Columns = (Column(""), Column("key", elastic=True), *TENSOR_COLUMNS)


def tensor_row(info: Document) -> list[str]:
    """Name, type and shape of a described tensor."""
    text = info["text"] if "text" in info else shape(info["shape"])
    return [info["name"] or "?", info["dtype"] or "unknown", text]


def signature_rows(signature: Document) -> list[list[str]]:
    """Side ("inputs", "outputs") and key, then the tensor; of a sparse one a row for each part."""
    return [
        [side, f"{name} ({part['part']})" if "part" in part else name, *tensor_row(part)]
        for side in ("inputs", "outputs")
        for name, info in signature[side].items()
        for part in _parts(info)
    ]


def _parts(info: Document) -> list[Document]:
    """The tensors behind one key: itself, or those of a sparse or composite one."""
    if "sparse" in info:
        # Type and shape are those of the whole; the indices and the shape itself are int64.
        return [
            {
                "name": name,
                "part": part,
                "dtype": info["dtype"] if part == "values" else "int64",
                "text": f"sparse {shape(info['shape'])}" if part == "values" else "",
            }
            for part, name in info["sparse"].items()
            if name
        ]
    if "components" in info:
        return [part for component in info["components"] for part in _parts(component)]
    return [info]
