"""Check a V2 checkpoint: its index, its data files, what else lies there under its name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from tfartifacts.checks.data_files import CheckedData, check_data
from tfartifacts.checks.findings import Finding, error, note, of_error, warning
from tfartifacts.checks.indexes import CheckedIndex, check_index, shard_sets
from tfartifacts.errors import FormatError, NotThisFormatError, TfArtifactsError
from tfartifacts.formats import sniff
from tfartifacts.formats.bundle_entries import SHARD_FILE, index_file
from tfartifacts.formats.table import is_table
from tfartifacts.formats.tensor_bundle import SPARE_SHARDS
from tfartifacts.formats.v1_checkpoint import shard_files
from tfartifacts.model.checkpoints import Checkpoint, File
from tfartifacts.model.values import Progress
from tfartifacts.model.variables import Variable
from tfartifacts.opening.checkpoints import MAX_INDEX, stored_link
from tfartifacts.opening.prefixes import ends_as_table
from tfartifacts.records import dataclass, field
from tfartifacts.storage.files import describe_file, read_file

# What TensorFlow's writers have beside their files until they rename them.
_TEMPORARY = re.compile(
    r"(\.index|\.data-\d+-of-\d+)\.tempstate\d*|(\.index|\.data-\d+-of-\d+|\.meta)\.tmp\w*"
    r"|_temp(_[0-9a-f]+)?"
)


@dataclass(slots=True)
class BundleParts:
    """What was found of a V2 checkpoint.

    `reasons` maps the names of damaged variables to the first thing wrong with them. `index` is
    None where there is none that could be read.
    """

    format = "V2"

    prefix: str
    index: CheckedIndex | None = None
    data: CheckedData = field(default_factory=CheckedData)
    findings: list[Finding] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def num_blocks(self) -> int:
        return 0 if self.index is None else self.index.num_blocks

    @property
    def num_tensors(self) -> int:
        return self.data.num_tensors

    @property
    def nbytes(self) -> int:
        return self.data.nbytes + (0 if self.index is None else self.index.nbytes)

    @property
    def intact(self) -> Iterator[str]:
        if self.index is not None:
            yield from (name for name in self.index.variables if name not in self.reasons)

    @property
    def is_complete(self) -> bool:
        """Whether the names of all variables are known."""
        return self.index is not None and self.index.is_complete

    def intact_variables(self) -> dict[str, Variable]:
        if self.index is None:
            return {}
        return {name: self.index.variables[name] for name in self.intact}

    def checkpoint(self, variables: Mapping[str, Variable]) -> Checkpoint:
        """A checkpoint of some of the variables."""
        assert self.index is not None  # without one there are no variables
        header = self.index.header
        return Checkpoint(
            path=self.prefix,
            format="V2",
            num_shards=header.num_shards,
            variables=variables,
            versions=header.versions,
            byte_order=header.byte_order,
            files=(self.index.file, *self.data.files),
        )


def check_bundle(
    prefix: str, *, jobs: int | None = None, progress: Progress | None = None
) -> BundleParts:
    """Check the V2 checkpoint of that prefix. Raises nothing for what is, or is not, there."""
    parts = BundleParts(prefix)
    try:
        file, content = _read_index(prefix)
    except TfArtifactsError as fault:
        code = "index" if isinstance(fault, FormatError) else "missing-index"
        parts.findings.append(of_error(code, fault, path=index_file(prefix)))
        parts.findings += _neighbours(prefix, None)
        return parts
    if not is_table(content[-8:]) and (target := stored_link(index_file(prefix), content)):
        parts = check_bundle(target, jobs=jobs, progress=progress)
        message = (
            "found the text of a symbolic link, expected an index; read "
            f"{os.path.basename(index_file(target))}, TensorFlow does not"
        )
        parts.findings.insert(0, error("stored-link", message, index_file(prefix)))
        return parts
    index = parts.index = check_index(prefix, file, content)
    data = parts.data = check_data(
        prefix,
        index.header,
        index.variables,
        is_complete=index.is_complete and not index.faulty,
        jobs=jobs,
        progress=progress,
    )
    parts.findings += [*index.findings, *data.findings]
    most = data.num_tensors + SPARE_SHARDS
    if index.header.num_shards > most:
        message = (
            f"found {index.header.num_shards} shards for {data.num_tensors} tensors, expected "
            f"at most {most}"
        )
        parts.findings.append(warning("many-shards", message, index_file(prefix)))
    parts.findings += _neighbours(prefix, index.header.num_shards)
    parts.reasons = {**index.faulty, **data.reasons}
    return parts


def _read_index(prefix: str) -> tuple[File, bytes]:
    path = index_file(prefix)
    file = describe_file(path)
    if file is not None and file.size > MAX_INDEX:
        raise FormatError(f"found {file.size} bytes, an index has at most {MAX_INDEX}", path=path)
    content = read_file(path)
    if not is_table(content[-8:]) and not stored_link(path, content):
        foreign = sniff.describe_foreign(content[: sniff.HEAD_SIZE], len(content))
        if foreign and not sniff.looks_like_cut_table(content[:16]):
            raise NotThisFormatError(f"found {foreign}, expected an index", path=path)
    return file or File(path, len(content), 0.0), content


def _is_v1(prefix: str) -> bool:
    try:
        return any(ends_as_table(path) for path in shard_files(prefix)[:1])
    except TfArtifactsError:  # it was there a moment ago
        return False


def _neighbours(prefix: str, num_shards: int | None) -> Iterator[Finding]:
    """Files of that prefix which the index does not speak of."""
    sets = shard_sets(prefix)
    for number, paths in sorted(sets.items()):
        for path in paths:
            if num_shards is None:
                yield note("data-without-index", "found a data file, but no index to it", path)
            elif number != num_shards:
                yield warning(
                    "stale-shard",
                    f"found a shard of {number}, but the index counts {num_shards}: it belongs "
                    "to another save; remove it if that is not wanted",
                    path,
                )
            elif int(SHARD_FILE.search(path)[1]) >= num_shards:  # type: ignore[index]
                yield warning(
                    "stale-shard", f"found a shard beyond the {num_shards} there are", path
                )
    if num_shards is not None and _is_v1(prefix):
        yield note(
            "v1-beside",
            "found a V1 checkpoint of the same prefix: it is not checked, nothing reads it",
            prefix,
        )
    folder, base = os.path.split(prefix)
    try:
        names = sorted(os.listdir(folder or "."))
    except (OSError, ValueError):
        return
    for name in names:
        if name.startswith(base) and _TEMPORARY.fullmatch(name, len(base)):
            yield note(
                "temporary-file",
                "found what a save that did not end left; nothing reads it",
                os.path.join(folder, name),
            )
