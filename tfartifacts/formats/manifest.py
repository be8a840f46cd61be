"""A manifest: sizes and sha256 sums of an artifact's files, as JSON in ASCII.

    {
      "files": [
        {
          "name": "variables/variables.index",      below the artifact's folder, parts by `/`
          "sha256": "<64 hexadecimal digits>",
          "size": 1234                              bytes
        },
        ...                                         by name, as bytes
      ],
      "kind": "saved-model",                        or checkpoint, meta-graph, graph-def
      "schema": 1,
      "tool": "tfartifacts 0.1.0"
    }

It holds no times: the same files give the same bytes. A byte of a name that is not UTF-8 is
written as `\\udc80`-`\\udcff` (Python's surrogateescape).

    SavedModel        assets.extra/tfartifacts.manifest.json, in a folder that no loader reads
    checkpoint        <prefix>.manifest.json; one for each, as checkpoints come and go
    graph or .meta    <file>.manifest.json
"""

from __future__ import annotations

import os
import re
from typing import Any

from tfartifacts import __version__
from tfartifacts.errors import ConversionError, FormatError
from tfartifacts.formats.bundle_entries import index_file
from tfartifacts.formats.v1_checkpoint import prefix_of_shard
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.graphs import Graph
from tfartifacts.model.manifests import SAVED_MODEL_MANIFEST, Manifest, ManifestEntry
from tfartifacts.model.saved_models import MetaGraph, SavedModel

SCHEMA = 1
TOOL = f"tfartifacts {__version__}"
SUFFIX = ".manifest.json"
KINDS = (SavedModel.kind, Checkpoint.kind, MetaGraph.kind, Graph.kind)
# Of the JSON, in bytes: some 10,000 files. Nothing but brackets takes 25 times that in memory, and
# half a second.
MAX_SIZE = 1 << 21

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_DIGITS = 19  # of a size below 2**63


def manifest_path(path: str, kind: str) -> str:
    """Where the manifest of an artifact belongs: of a SavedModel's folder, a prefix, a file."""
    if kind == SavedModel.kind:
        return os.path.join(path, *SAVED_MODEL_MANIFEST.split("/"))
    return (base_of_checkpoint(path) if kind == Checkpoint.kind else path) + SUFFIX


def base_of_checkpoint(prefix: str) -> str:
    """What the names of a checkpoint's files begin with; a V1 set may be called by its pattern."""
    if os.path.lexists(index_file(prefix)):
        return prefix
    return prefix_of_shard(prefix) or prefix


def write_manifest(manifest: Manifest) -> bytes:
    """The file's bytes. Raises ConversionError for what a manifest cannot hold."""
    for entry in manifest.files:
        if (fault := _fault_of_name(entry.name)) is not None:
            raise ConversionError(f"found a file named {entry.name!r}: {fault}; rename it")
    document = {
        "schema": SCHEMA,
        "tool": manifest.tool,
        "kind": manifest.kind,
        "files": [
            {"name": entry.name, "size": entry.size, "sha256": entry.sha256}
            for entry in sorted(manifest.files, key=lambda entry: os.fsencode(entry.name))
        ],
    }
    import json

    data = json.dumps(document, indent=2, sort_keys=True).encode("ascii") + b"\n"
    if len(data) > MAX_SIZE:
        raise ConversionError(
            f"found {len(manifest.files)} files, whose manifest takes {len(data)} bytes, expected "
            f"at most {MAX_SIZE}"
        )
    return data


def read_manifest(data: bytes) -> Manifest:
    """What a manifest says.

    Raises FormatError, with the offset where there is one, for anything that is not one of schema
    1 in all its parts.
    """
    if len(data) > MAX_SIZE:
        raise FormatError(f"found {len(data)} bytes, a manifest has at most {MAX_SIZE}", offset=0)
    document = _parsed(data)
    if not isinstance(document, dict):
        raise FormatError("found no JSON object, expected a manifest", offset=0)
    schema = document.get("schema")
    if isinstance(schema, bool) or schema != SCHEMA:
        raise FormatError(
            f"found schema {_short(schema)}, expected {SCHEMA}; a newer tfartifacts wrote it"
        )
    _expect_keys(document, {"schema", "tool", "kind", "files"}, "the manifest")
    kind, tool, files = document["kind"], document["tool"], document["files"]
    if kind not in KINDS:
        raise FormatError(f"found kind {_short(kind)}, expected one of {', '.join(KINDS)}")
    if not isinstance(tool, str) or not isinstance(files, list):
        raise FormatError("found a tool or files of another type, expected a string and a list")
    entries = tuple(_entry(item, position) for position, item in enumerate(files))
    names: set[str] = set()
    for entry in entries:
        if entry.name in names:
            raise FormatError(f"found {_short(entry.name)} twice among the files, expected it once")
        names.add(entry.name)
    return Manifest(kind, entries, tool)


def _parsed(data: bytes) -> Any:
    import json

    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"found byte 0x{data[error.start]:02x}, expected JSON in ASCII", offset=error.start
        ) from None
    try:
        return json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_int=_integer,
            parse_float=_refused_number,
            parse_constant=_refused_number,
        )
    except json.JSONDecodeError as error:
        raise FormatError(
            f"found what is no JSON ({error.msg[:1].lower()}{error.msg[1:]}), expected a manifest",
            offset=error.pos,
        ) from None
    except RecursionError:
        raise FormatError("found JSON that nests too deep, expected a manifest") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FormatError("found a key twice in one object, expected it once")
    return found


def _integer(digits: str) -> int:
    # int() of a million digits takes minutes.
    if len(digits) > _MAX_DIGITS:
        raise FormatError(f"found a number of {len(digits)} digits, expected a size in bytes")
    return int(digits)


def _refused_number(text: str) -> Any:
    raise FormatError(f"found the number {_short(text)}, expected whole ones")


def _expect_keys(found: dict[str, Any], expected: set[str], where: str) -> None:
    if found.keys() == expected:
        return
    wrong = sorted(found.keys() ^ expected)[0]
    what = f"found key {_short(wrong)}" if wrong in found else f"found no key {wrong!r}"
    raise FormatError(f"{what} in {where}, expected {', '.join(sorted(expected))}")


def _entry(item: Any, position: int) -> ManifestEntry:
    where = f"file {position}"
    if not isinstance(item, dict):
        raise FormatError(f"found no object for {where}, expected name, sha256, size")
    _expect_keys(item, {"name", "size", "sha256"}, where)
    name, size, sha256 = item["name"], item["size"], item["sha256"]
    if not isinstance(name, str):
        raise FormatError(f"found the name {_short(name)} of {where}, expected a string")
    if (fault := _fault_of_name(name)) is not None:
        raise FormatError(f"found the name {_short(name)} of {where}: {fault}")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 1 << 63:
        raise FormatError(f"found the size {_short(size)} of {where}, expected bytes")
    if not isinstance(sha256, str) or _SHA256.fullmatch(sha256) is None:
        raise FormatError(
            f"found the sha256 {_short(sha256)} of {where}, expected 64 hexadecimal digits"
        )
    return ManifestEntry(name, size, sha256)


def _fault_of_name(name: str) -> str | None:
    """Why a name may not stand in a manifest: it would lead elsewhere, or to nothing."""
    if "\0" in name or "\\" in name:
        return "it holds a NUL byte or a backslash, expected parts divided by /"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return "expected a name below the artifact's folder, without `.`, `..` and empty parts"
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return "expected UTF-8, or single bytes as U+DC80 to U+DCFF"
    return None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "..."
