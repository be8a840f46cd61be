"""A checkpoint's variables as files of another format."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tfartifacts.convert.choosing import one_checkpoint
from tfartifacts.dtypes import STRING, DType
from tfartifacts.errors import ConversionError, FormatError
from tfartifacts.exchange import npy, npz, output_files, safetensors, safetensors_shards
from tfartifacts.exchange.holding import holder
from tfartifacts.exchange.importing import read_incoming
from tfartifacts.exchange.metadata import Format, export_metadata, type_notes
from tfartifacts.exchange.output_files import OutputFile
from tfartifacts.exchange.publishing import publish, refuse_sources, refuse_taken
from tfartifacts.exchange.selecting import Outgoing, Rules, Selection, listed, select
from tfartifacts.model.checkpoints import Checkpoint, CheckpointDirectory, File
from tfartifacts.model.saved_models import SavedModel
from tfartifacts.model.values import Progress, Shape
from tfartifacts.records import dataclass
from tfartifacts.saving.leftovers import clear_place
from tfartifacts.saving.plans import path_to_write, saved
from tfartifacts.saving.sources import noticing_changes, refuse_source, source_files
from tfartifacts.weights.roles import variable_roles

if TYPE_CHECKING:
    from tfartifacts.model import Artifact


_SUFFIXES = {safetensors.SUFFIX: Format.SAFETENSORS, ".npz": Format.NPZ}


@dataclass(frozen=True, slots=True)
class ExportedTensor:
    """A tensor that was written, or would be.

    `dtype` is the variable's; `held_as` the type that holds it in the file, most often the same.
    """

    name: str
    source: str
    dtype: DType
    held_as: DType
    shape: Shape
    is_transposed: bool
    is_merged: bool


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote, or would write.

    `files` are as in Saved; the size of one that is compressed is 0 until it is written. `left_out`
    are the variables that are not in it, with the reason; `num_optimizer` counts the optimizer's
    that are. `source` is the checkpoint's prefix.
    """

    format: Format
    source: str
    files: tuple[File, ...]
    tensors: tuple[ExportedTensor, ...]
    left_out: Mapping[str, str]
    metadata: Mapping[str, str]
    num_optimizer: int = 0
    notes: tuple[str, ...] = ()


def format_of(path: str) -> Format:
    """The format that a path asks for. Raises ConversionError for a suffix of another kind."""
    if path.endswith("/") or os.path.isdir(path):
        return Format.NPY
    suffix = os.path.splitext(path)[1].lower()
    found = _SUFFIXES.get(suffix)
    if found is None:
        raise ConversionError(
            f"found the file type {suffix!r}, expected .safetensors, .npz, or a folder for .npy "
            "files (a name with / at its end)",
            path=path,
        )
    return found


def export(
    artifact: Artifact,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    names: Mapping[str, str] | None = None,
    preset: str | None = None,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    strip_optimizer: bool = False,
    skip_unsupported: bool = False,
    max_shard_size: str | int = safetensors_shards.DEFAULT_SIZE,
    compress: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
    jobs: int | None = None,
) -> Exported:
    """Write the variables of a checkpoint or SavedModel as safetensors, .npz or .npy files.

    Which it is follows from the path (`out.safetensors`, `out.npz`, `folder/`) or from `format`
    ("safetensors", "npz", "npy"). Of a folder of checkpoints the latest is taken. Optimizer slots
    are written too, unless `strip_optimizer`. `keep` and `drop` are globs of variables; `names`
    gives some another name; `preset` "bert-pytorch" gives Google's BERT the names and shapes of
    PyTorch. What the format cannot hold is refused by name before anything is written, or left out
    with `skip_unsupported`. Safetensors larger than `max_shard_size` ("5GB", or bytes) become
    several files with an index, as the Hugging Face libraries read them. `compress` deflates .npz.

    Values are streamed, each checksum compared; files appear whole or not at all. `overwrite`
    replaces one file, or a folder that holds nothing but an export. With one of `jobs` there is no
    thread that has the disk take files meanwhile.

    Raises ConversionError for what cannot be done as asked, NameNotFoundError for a name that is
    not there, DestinationExistsError, WriteError, ChecksumError and FormatError for a damaged
    source, SourceChangedError. Nothing was published then.
    """
    destination = path_to_write(path)
    kind = _format(format) if format is not None else format_of(destination)
    destination = destination.rstrip("/") if kind is Format.NPY else destination
    if not os.path.basename(destination) or destination.endswith("/"):
        raise ConversionError(
            "found no name at the end of the path, expected one", path=destination
        )
    checkpoint, notes = _checkpoint(artifact)
    most = safetensors_shards.parse_size(str(max_shard_size)) if kind is Format.SAFETENSORS else 0
    sources = source_files(artifact)
    with noticing_changes(sources):
        rules = Rules(names or {}, preset, keep, drop, strip_optimizer)
        selection = _holdable(select(checkpoint, rules), kind, skip=skip_unsupported)
        metadata = export_metadata(artifact, checkpoint, kind, preset)
        files = _files(selection.tensors, destination, kind, metadata, most, compress)
        refuse_sources(files, destination, sources)
        refuse_source(artifact, destination, overwrite=overwrite)
        is_folder = kind is Format.NPY
        left = () if dry_run else clear_place(destination)
        refuse_taken(files, destination, is_folder=is_folder, overwrite=overwrite)
        if dry_run:
            folder = destination if is_folder else os.path.dirname(destination)
            written = saved(folder, {file.name: file.size or 0 for file in files})
        else:
            written = publish(
                files,
                destination,
                lambda place: _check(place, selection.tensors),
                sources,
                is_folder=is_folder,
                overwrite=overwrite,
                progress=progress,
                total=sum(file.size or 0 for file in files) or checkpoint.nbytes,
                jobs=jobs,
            )
    return Exported(
        kind,
        checkpoint.path,
        written.files,
        tuple(map(_exported, selection.tensors)),
        selection.left_out,
        metadata,
        _num_optimizer(checkpoint, selection),
        (*notes, *type_notes(selection.tensors, kind), *left),
    )


def _format(name: str) -> Format:
    try:
        return Format(name)
    except ValueError:
        known = ", ".join(kind.value for kind in Format)
        raise ConversionError(f"found format {name!r}, expected one of {known}") from None


def _checkpoint(artifact: Artifact) -> tuple[Checkpoint, tuple[str, ...]]:
    if isinstance(artifact, Checkpoint | CheckpointDirectory):
        return one_checkpoint(artifact)
    checkpoint = artifact.checkpoint if isinstance(artifact, SavedModel) else None
    if checkpoint is None:
        raise ConversionError(
            f"found a {artifact.kind} without variables, expected a checkpoint or SavedModel",
            path=artifact.path,
        )
    return checkpoint, ()


def _num_optimizer(checkpoint: Checkpoint, selection: Selection) -> int:
    roles = variable_roles(checkpoint)
    return sum(roles[tensor.source] == "optimizer" for tensor in selection.tensors)


def _exported(tensor: Outgoing) -> ExportedTensor:
    dtype = tensor.value.dtype
    return ExportedTensor(
        tensor.name,
        tensor.source,
        dtype,
        holder(dtype),
        tensor.value.shape,
        tensor.is_transposed,
        tensor.is_merged,
    )


# --- what a format can hold -----------------------------------------------------------------------


def _holdable(selection: Selection, kind: Format, *, skip: bool) -> Selection:
    """The selection without what the format cannot hold. Raises ConversionError unless `skip`."""
    reasons = {
        tensor.source: reason
        for tensor in selection.tensors
        if (reason := _why_not(tensor, kind)) is not None
    }
    if kind is Format.NPZ:
        reasons |= _alike_to_numpy(selection.tensors)
    if not reasons:
        return selection
    if not skip:
        raise ConversionError(
            f"found {len(reasons)} of {len(selection.tensors)} variables that {kind.value} cannot "
            "hold; leave them out with --skip-unsupported or --drop"
            + (", or write .npz" if kind is Format.SAFETENSORS else ""),
            details=listed([f"{name}: {reason}" for name, reason in reasons.items()]),
        )
    tensors = tuple(tensor for tensor in selection.tensors if tensor.source not in reasons)
    if not tensors:
        raise ConversionError(f"found no variables that {kind.value} can hold, expected some")
    return Selection(tensors, {**selection.left_out, **reasons})


def _why_not(tensor: Outgoing, kind: Format) -> str | None:
    dtype, shape = tensor.value.dtype, tensor.value.shape
    try:
        tensor.name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if dtype.itemsize is None and dtype != STRING:
        return f"{dtype}, which is TensorFlow's own"
    if kind is Format.SAFETENSORS:
        if safetensors.held_by(dtype) is None:
            return f"{dtype}, which safetensors has not"
        return "is the name of the header's own entry" if tensor.name == "__metadata__" else None
    if len(shape) > npy.MAX_RANK:
        return f"{len(shape)} dimensions, of which NumPy holds {npy.MAX_RANK}"
    return npz.refuse_name(tensor.name) if kind is Format.NPZ else None


def _alike_to_numpy(tensors: Sequence[Outgoing]) -> dict[str, str]:
    """Why NumPy would give another array of an archive by these names, by variable."""
    names = {tensor.name for tensor in tensors}
    return {
        tensor.source: f"NumPy takes its name for that of the file of {stem!r}"
        for tensor in tensors
        if (stem := tensor.name.removesuffix(npy.SUFFIX)) != tensor.name and stem in names
    }


# --- files ----------------------------------------------------------------------------------------


def _files(
    tensors: Sequence[Outgoing],
    destination: str,
    kind: Format,
    metadata: Mapping[str, str],
    most: int,
    compress: bool,
) -> list[OutputFile]:
    name = os.path.basename(destination)
    if kind is Format.SAFETENSORS:
        if not name.endswith(safetensors.SUFFIX) or name == safetensors.SUFFIX:
            raise ConversionError(
                f"found {name!r}, expected a name that ends with {safetensors.SUFFIX}",
                path=destination,
            )
        stem = name.removesuffix(safetensors.SUFFIX)
        return output_files.safetensors_files(stem, tensors, metadata, most)
    if kind is Format.NPZ:
        return output_files.npz_files(name, tensors, metadata, compress=compress)
    return output_files.npy_files(tensors, metadata)


def _check(place: str, tensors: Sequence[Outgoing]) -> None:
    """Read what was written as anyone would, and compare what it says of the tensors."""
    found = read_incoming(place).values
    wanted = {tensor.name: (tensor.value.dtype, tensor.value.shape) for tensor in tensors}
    if {name: (value.dtype, value.shape) for name, value in found.items()} != wanted:
        raise FormatError("found other tensors than were written", path=place)
