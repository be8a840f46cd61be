"""What stands beside the tensors of an export: texts by name, and the formats there are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

from tfartifacts.errors import TfArtifactsError
from tfartifacts.exchange import bert, npy
from tfartifacts.exchange.holding import holder
from tfartifacts.exchange.importing import GLOBAL_STEP
from tfartifacts.exchange.selecting import Outgoing
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.saved_models import SavedModel

if TYPE_CHECKING:
    from tfartifacts.model import Artifact


class Format(str, Enum):
    """What can be written."""

    SAFETENSORS = "safetensors"
    NPZ = "npz"
    NPY = "npy"


def export_metadata(
    artifact: Artifact, checkpoint: Checkpoint, kind: Format, preset: str | None
) -> dict[str, str]:
    """What stands beside the tensors: texts by name.

    "format" is for the Hugging Face libraries: whose names and shapes these are.
    """
    from tfartifacts import __version__

    metadata = {}
    if kind is Format.SAFETENSORS:
        metadata["format"] = "pt" if preset == bert.PRESET else "tf"
    metadata["source"] = os.path.basename(checkpoint.path)
    if isinstance(artifact, SavedModel) and artifact.path is not None:
        metadata["source"] = os.path.basename(os.path.abspath(artifact.path))
    step = checkpoint.step
    if step is None:
        step = _global_step(checkpoint)
    if step is not None:
        metadata["step"] = str(step)
    if version := _tensorflow_version(artifact, checkpoint):
        metadata["tensorflow_version"] = version
    metadata["tfartifacts_version"] = __version__
    return {key: _text(value) for key, value in metadata.items()}


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode()


def _global_step(checkpoint: Checkpoint) -> int | None:
    variable = checkpoint.variables.get(GLOBAL_STEP)
    if variable is None or variable.shape or variable.dtype.name not in ("int32", "int64"):
        return None
    return int(variable.read())


def _tensorflow_version(artifact: Artifact, checkpoint: Checkpoint) -> str:
    try:
        if isinstance(artifact, SavedModel):
            return artifact.meta_graphs[0].info.tensorflow_version if artifact.meta_graphs else ""
        meta_graph = checkpoint.meta_graph
    except TfArtifactsError:
        # A damaged graph keeps nobody from the weights.
        return ""
    return "" if meta_graph is None else meta_graph.info.tensorflow_version


def type_notes(tensors: Sequence[Outgoing], kind: Format) -> list[str]:
    """Which types are held by others, and how strings are."""
    dtypes = {tensor.value.dtype.name: tensor.value.dtype for tensor in tensors}
    held = [f"{d} as {holder(d)}" for d in dtypes.values() if holder(d) != d]
    notes = []
    if held:
        notes.append(
            f"written as a type that holds the same values: {', '.join(held)}; which it was stands "
            "beside them"
        )
    void = [dtype.name for dtype in dtypes.values() if npy.is_void(dtype)]
    if void and kind is not Format.SAFETENSORS:
        notes.append(
            f"NumPy alone has no {', '.join(void)}: it reads void, of which "
            f".view(ml_dtypes.{void[0]}) makes numbers"
        )
    return notes
