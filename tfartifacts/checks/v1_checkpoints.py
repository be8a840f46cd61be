"""Check a V1 checkpoint: each block of each shard's table, and the header against the values.

A tensor has no checksum of its own: it is intact where the block that holds it is, and where it has
as many elements as the header says. See formats/v1_checkpoint for the layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tfartifacts.checks.findings import Finding, error, of_error, warning
from tfartifacts.checks.tables import WalkedTable
from tfartifacts.dtypes import DType
from tfartifacts.errors import FormatError, TfArtifactsError
from tfartifacts.formats.slices import (
    Extents,
    encode_slice_key,
    name_in_slice_key,
    read_extents,
    slice_shape,
)
from tfartifacts.formats.tensor_data import check_shape
from tfartifacts.formats.tensor_proto import num_values
from tfartifacts.formats.v1_checkpoint import (
    Declared,
    add_declared,
    missing_shards,
    read_header,
    refuse_several_sets,
    shard_files,
    variable_of,
)
from tfartifacts.formats.wire import Message
from tfartifacts.model.checkpoints import Checkpoint, File
from tfartifacts.model.graphs import Versions
from tfartifacts.model.values import Progress, Shape
from tfartifacts.model.variables import Variable, VariableSlice
from tfartifacts.records import dataclass, field, replace
from tfartifacts.storage.files import FileSource, absolute, describe_file, not_readable

Stored = dict[str, tuple[DType, Shape, list[VariableSlice]]]


@dataclass(slots=True)
class V1Parts:
    """What was found of a V1 checkpoint.

    `variables` are intact; `reasons` maps the names of others to the first thing wrong. `unchecked`
    are intact if a header whose block is damaged says the truth of their types and shapes.
    """

    format = "V1"

    prefix: str
    findings: list[Finding] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    unchecked: dict[str, Variable] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    versions: Versions = Versions()
    num_shards: int = 1
    num_blocks: int = 0
    num_tensors: int = 0
    nbytes: int = 0
    is_complete: bool = True

    @property
    def intact(self) -> Iterator[str]:
        return iter(self.variables)

    def intact_variables(self) -> dict[str, Variable]:
        return dict(self.variables)

    def checkpoint(self, variables: Mapping[str, Variable]) -> Checkpoint:
        """A checkpoint of some of the variables."""
        return Checkpoint(
            path=self.prefix,
            format="V1",
            num_shards=self.num_shards,
            variables=variables,
            versions=self.versions,
            files=tuple(self.files),
        )


@dataclass(slots=True)
class _Shard:
    """One table: what its header declares, and what is wrong with the value of each key.

    `faults` has the keys of sound blocks, with None for those whose value is as declared.
    """

    path: str
    walk: WalkedTable
    declared: list[Declared] = field(default_factory=list)
    is_header_sound: bool = False
    faults: dict[bytes, str | None] = field(default_factory=dict)


def check_v1_checkpoint(prefix: str, *, progress: Progress | None = None) -> V1Parts:
    """Check the V1 checkpoint of that prefix. Raises nothing for what is, or is not, there."""
    parts = V1Parts(prefix)
    try:
        refuse_several_sets(prefix)
    except FormatError as fault:
        parts.findings.append(of_error("several-sets", fault, path=prefix))
    paths = shard_files(prefix)
    if not paths:
        parts.findings.append(error("unreadable", "no such checkpoint", prefix))
        parts.is_complete = False
        return parts
    parts.num_shards, missing = missing_shards(paths)
    parts.findings += [of_error("missing-shard", problem) for problem in missing]
    parts.is_complete = not missing
    found = [(path, describe_file(path)) for path in paths]
    total = sum(file.size for _, file in found if file is not None)
    shards = []
    done = 0
    for path, file in found:
        try:
            if file is None:
                raise not_readable(path, FileNotFoundError(2, ""))
            shard = _Shard(path, WalkedTable(FileSource(absolute(path), file.size)))
            for position in _check_shard(parts, shard):
                if progress is not None:
                    progress("verifying", done + position, total)
            shards.append(shard)
            done += file.size
            parts.files.append(file)
        except TfArtifactsError as unreadable:
            parts.findings.append(of_error("unreadable", unreadable, path=path))
            parts.is_complete = False
    _put_together(parts, shards)
    return parts


def _check_shard(parts: V1Parts, shard: _Shard) -> Iterator[int]:
    """Check a table block by block; how far in its file it was read."""
    path = shard.path
    expected: dict[bytes, tuple[Declared, Extents]] = {}
    is_first = True
    for block in shard.walk.blocks():
        place = block.handle.offset
        if is_first and block.entries and not block.entries[0][0]:
            shard.is_header_sound = block.is_sound
            parts.findings += _read_header(parts, shard, block.entries[0][1], place)
            expected = {
                key: (declared, extents)
                for declared in shard.declared
                for key, extents in declared.slices
            }
        is_first = False
        for key, value in block.entries if block.is_sound else ():
            if key in expected:
                parts.num_tensors += 1
                fault = shard.faults[key] = _value_fault(key, value, *expected[key])
                if fault is not None:
                    name = expected[key][0].name
                    parts.findings.append(error("entry", fault, path, place, name))
            elif key and shard.is_header_sound:
                name = name_in_slice_key(key)
                message = f"found a value of {name!r} that the header does not list"
                parts.findings.append(warning("orphaned-slice", message, path, place, name))
        yield block.handle.end
    if not shard.is_header_sound and shard.walk.is_complete:
        message = "found no header, expected one as the first entry"
        parts.findings.append(error("header", message, path, 0))
    parts.findings += [replace(finding, path=path) for finding in shard.walk.findings]
    parts.num_blocks += shard.walk.num_blocks
    parts.nbytes += shard.walk.nbytes
    parts.is_complete &= shard.walk.is_complete and shard.is_header_sound


def _read_header(parts: V1Parts, shard: _Shard, value: bytes, place: int) -> list[Finding]:
    faults: list[FormatError] = []
    parts.versions, shard.declared = read_header(value, faults.append)
    if not shard.is_header_sound:
        return []  # that its block is damaged is told
    return [of_error("header", _moved(fault, place), path=shard.path) for fault in faults]


def _moved(fault: FormatError, offset: int) -> FormatError:
    fault.offset = offset
    return fault


def _value_fault(key: bytes, value: bytes, declared: Declared, extents: Extents) -> str | None:
    """What is wrong with the value of a declared slice."""
    shown = f"(in variable {declared.name!r})"
    try:
        data = Message(value).message(2)
        if data is None:
            return f"found no tensor, expected one {shown}"
        slice_proto = data.message(2)
        own = () if slice_proto is None else read_extents(slice_proto)
        if encode_slice_key(data.raw(1), own) != key:
            return f"found the value of another slice {shown}"
        proto = data.message(3) or Message(b"")
        found = num_values(proto, declared.dtype)
        expected = check_shape(slice_shape(extents, declared.shape))
    except FormatError as fault:
        return f"{fault.message} {shown}"
    if found != expected:
        return f"found {found} values, expected {expected} {shown}"
    return None


def _put_together(parts: V1Parts, shards: list[_Shard]) -> None:
    """Make variables of the slices of all tables."""
    stored: Stored = {}
    sound_headers: dict[str, bool] = {}
    for shard in shards:
        table = shard.walk.table()
        for declared in shard.declared:
            name = declared.name
            sound_headers[name] = sound_headers.get(name, True) and shard.is_header_sound
            try:
                add_declared(declared, table, stored)
            except FormatError as fault:
                parts.reasons.setdefault(name, fault.message)
                parts.findings.append(of_error("slices", fault, path=shard.path, name=name))
            parts.findings += _missing_slices(parts, shard, declared)
    is_whole = len(parts.files) == parts.num_shards
    for name in sorted(stored, key=lambda name: name.encode("utf-8", "surrogateescape")):
        if name in parts.reasons:
            continue
        try:
            variable = variable_of(name, *stored[name])
        except FormatError as fault:
            if is_whole:
                parts.findings.append(of_error("slices", fault, path=parts.prefix, name=name))
                parts.reasons[name] = fault.message
            else:
                parts.reasons[name] = "a shard with a part of it is missing"
            continue
        (parts.variables if sound_headers[name] else parts.unchecked)[name] = variable


def _missing_slices(parts: V1Parts, shard: _Shard, declared: Declared) -> Iterator[Finding]:
    for key, extents in declared.slices:
        if shard.faults.get(key, "") is None:
            continue
        shown = "" if len(declared.slices) == 1 else f" {':'.join(map(str, extents))}"
        reason = shard.faults.get(key)
        if reason is None and shard.walk.is_complete:
            reason = f"found no value of slice{shown}, which the header lists"
            message = f"{reason} (in variable {declared.name!r})"
            yield error("missing-slice", message, shard.path, None, declared.name)
        parts.reasons.setdefault(declared.name, reason or "its value is in a damaged block")
