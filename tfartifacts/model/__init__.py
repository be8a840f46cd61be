"""The one model that every format is read into: frozen, without I/O and without encodings.

variables     Variable, VariableSlice, Extent, Variables
slicing       variable[10:20]: the rows that are needed, and no more
checkpoints   Checkpoint, CheckpointDirectory, CheckpointState, ObjectGraph
graphs        Graph, Node, Function, TensorInfo
tensors       type and shape of a tensor in a graph
saved_models  MetaGraph, Signature, Saver, Collection, SavedModel
values        TensorValue: elements that are read when asked for
from_arrays   a checkpoint of plain arrays
arrays        values that are in no file: ArrayValue, BlockValue
placing       a value that goes to a certain data file
notebooks     what a notebook shows
escape        text out of a file, safe to show
row_major     elements one after the other, also those of a partitioned variable
"""

from __future__ import annotations

from tfartifacts.model.checkpoints import (
    Checkpoint,
    CheckpointDirectory,
    CheckpointState,
    File,
    ObjectGraph,
    StateEntry,
)
from tfartifacts.model.graphs import (
    Constant,
    Function,
    FunctionCall,
    Graph,
    Node,
    OpDef,
    SparseNames,
    TensorInfo,
    Versions,
)
from tfartifacts.model.saved_models import (
    Asset,
    AssetFile,
    Collection,
    MetaGraph,
    MetaInfo,
    SavedModel,
    Saver,
    Signature,
)
from tfartifacts.model.variables import Extent, Variable, Variables, VariableSlice

Artifact = CheckpointDirectory | Checkpoint | MetaGraph | SavedModel | Graph

__all__ = [
    "Artifact",
    "Asset",
    "AssetFile",
    "Checkpoint",
    "CheckpointDirectory",
    "CheckpointState",
    "Collection",
    "Constant",
    "Extent",
    "File",
    "Function",
    "FunctionCall",
    "Graph",
    "MetaGraph",
    "MetaInfo",
    "Node",
    "ObjectGraph",
    "OpDef",
    "SavedModel",
    "Saver",
    "Signature",
    "SparseNames",
    "StateEntry",
    "TensorInfo",
    "Variable",
    "VariableSlice",
    "Variables",
    "Versions",
]
