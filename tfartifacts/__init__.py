"""Read, explain, check and convert what TensorFlow leaves on disk, without TensorFlow.

    import tfartifacts as tfa

    checkpoint = tfa.open("runs/model.ckpt-7")
    checkpoint.variables["dense/kernel"].read()

Names are imported when they are first used: starting fast is a feature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfartifacts.checks.findings import Finding as Finding
    from tfartifacts.checks.findings import Severity as Severity
    from tfartifacts.checks.salvage import salvage as salvage
    from tfartifacts.checks.scan import Scan as Scan
    from tfartifacts.checks.scan import scan as scan
    from tfartifacts.checks.verify import Verification as Verification
    from tfartifacts.checks.verify import verify as verify
    from tfartifacts.convert import checkpoint_to_saved_model as checkpoint_to_saved_model
    from tfartifacts.convert import saved_model_to_checkpoint as saved_model_to_checkpoint
    from tfartifacts.dtypes import DType as DType
    from tfartifacts.errors import ChecksumError as ChecksumError
    from tfartifacts.errors import ConversionError as ConversionError
    from tfartifacts.errors import DestinationExistsError as DestinationExistsError
    from tfartifacts.errors import ExecutionError as ExecutionError
    from tfartifacts.errors import FormatError as FormatError
    from tfartifacts.errors import MissingDependencyError as MissingDependencyError
    from tfartifacts.errors import NameNotFoundError as NameNotFoundError
    from tfartifacts.errors import NotThisFormatError as NotThisFormatError
    from tfartifacts.errors import PathNotFoundError as PathNotFoundError
    from tfartifacts.errors import SourceChangedError as SourceChangedError
    from tfartifacts.errors import TfArtifactsError as TfArtifactsError
    from tfartifacts.errors import UnsupportedError as UnsupportedError
    from tfartifacts.errors import WriteError as WriteError
    from tfartifacts.exchange import Exported as Exported
    from tfartifacts.exchange import export as export
    from tfartifacts.exchange import import_checkpoint as import_checkpoint
    from tfartifacts.model import Artifact as Artifact
    from tfartifacts.model import Checkpoint as Checkpoint
    from tfartifacts.model import CheckpointDirectory as CheckpointDirectory
    from tfartifacts.model import Graph as Graph
    from tfartifacts.model import MetaGraph as MetaGraph
    from tfartifacts.model import Node as Node
    from tfartifacts.model import SavedModel as SavedModel
    from tfartifacts.model import Signature as Signature
    from tfartifacts.model import TensorInfo as TensorInfo
    from tfartifacts.model import Variable as Variable
    from tfartifacts.model.manifests import Manifest as Manifest
    from tfartifacts.opening import open_artifact as open
    from tfartifacts.saving import CheckpointWriter as CheckpointWriter
    from tfartifacts.saving import save as save
    from tfartifacts.saving.manifests import write_manifest as write_manifest
    from tfartifacts.saving.repaired_state import repair_state as repair_state
    from tfartifacts.weights.averaging import average as average
    from tfartifacts.weights.difference import Difference as Difference
    from tfartifacts.weights.difference import diff as diff
    from tfartifacts.weights.editing import edit as edit
    from tfartifacts.weights.editing import plan_edits as plan_edits
    from tfartifacts.weights.edits import Edits as Edits
    from tfartifacts.weights.statistics import Statistics as Statistics
    from tfartifacts.weights.statistics import statistics as statistics

__version__ = "0.1.0"

_HOMES = {
    "tfartifacts.checks.findings": ("Finding", "Severity"),
    "tfartifacts.checks.salvage": ("salvage",),
    "tfartifacts.checks.verify": ("Verification", "verify"),
    "tfartifacts.checks.scan": ("Scan", "scan"),
    "tfartifacts.convert": ("checkpoint_to_saved_model", "saved_model_to_checkpoint"),
    "tfartifacts.dtypes": ("DType",),
    "tfartifacts.errors": (
        "ChecksumError",
        "ConversionError",
        "DestinationExistsError",
        "ExecutionError",
        "FormatError",
        "MissingDependencyError",
        "NameNotFoundError",
        "NotThisFormatError",
        "PathNotFoundError",
        "SourceChangedError",
        "TfArtifactsError",
        "UnsupportedError",
        "WriteError",
    ),
    "tfartifacts.exchange": ("Exported", "export", "import_checkpoint"),
    "tfartifacts.model": (
        "Artifact",
        "Checkpoint",
        "CheckpointDirectory",
        "Graph",
        "MetaGraph",
        "Node",
        "SavedModel",
        "Signature",
        "TensorInfo",
        "Variable",
    ),
    "tfartifacts.model.manifests": ("Manifest",),
    "tfartifacts.opening": ("open_artifact",),
    "tfartifacts.saving": ("CheckpointWriter", "save"),
    "tfartifacts.saving.manifests": ("write_manifest",),
    "tfartifacts.saving.repaired_state": ("repair_state",),
    "tfartifacts.weights.averaging": ("average",),
    "tfartifacts.weights.editing": ("edit", "plan_edits"),
    "tfartifacts.weights.edits": ("Edits",),
    "tfartifacts.weights.difference": ("Difference", "diff"),
    "tfartifacts.weights.statistics": ("Statistics", "statistics"),
}
_ORIGINS = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: PLE0604 - every name is a literal above
    "open",
    *sorted(name for name in _ORIGINS if name != "open_artifact"),
]


def __getattr__(name: str) -> object:
    wanted = "open_artifact" if name == "open" else name
    module = _ORIGINS.get(wanted)
    if module is None or name == "open_artifact":
        raise AttributeError(f"module 'tfartifacts' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(module), wanted)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
