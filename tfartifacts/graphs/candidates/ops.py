"""What ops mean: which hold weights, which make a layer, which end a model, which none of it.

Prefixes and sets instead of regular expressions: compiling those took four times as long as the
import of all there is here.
"""

from __future__ import annotations

VARIABLE_OPS = frozenset("Variable VariableV2 AutoReloadVariable VarHandleOp".split())

# A weight passed through one of these is still a weight: operand number of the weight.
PASSES_WEIGHT = {
    **dict.fromkeys(
        "Identity ReadVariableOp Enter RefEnter Switch RefSwitch RefIdentity Cast Reshape "
        "Transpose StridedSlice Slice Unpack ExpandDims Squeeze Snapshot StopGradient SplitV "
        "Dequantize FakeQuantWithMinMaxVars FakeQuantWithMinMaxArgs QuantizeAndDequantizeV2 "
        "QuantizeAndDequantizeV3".split(),
        0,
    ),
    "Split": 1,
}
JOINS_WEIGHTS = frozenset("ConcatV2 Concat Pack ParallelConcat".split())

# Ops whose operand counts as a weight even if it was computed from variables (weight norm,
# normalized embeddings).
LAYER_OPS = frozenset(
    "MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Conv1D Conv2D Conv3D DepthwiseConv2dNative "
    "Conv2DBackpropInput Conv3DBackpropInputV2 BiasAdd BiasAddV1 Gather GatherV2 GatherNd "
    "ResourceGather SparseMatMul SparseTensorDenseMatMul Einsum FusedBatchNorm FusedBatchNormV2 "
    "FusedBatchNormV3 BatchNormWithGlobalNormalization QuantizedMatMul QuantizedConv2D "
    "CudnnRNN CudnnRNNV2 CudnnRNNV3 LSTMBlockCell BlockLSTM GRUBlockCell".split()
)

_UPDATE_PREFIXES = (
    "Assign",
    "Apply",
    "SparseApply",
    "ResourceApply",
    "ResourceSparseApply",
    "ResourceScatter",
    "ResourceStridedSliceAssign",
    "StridedSliceAssign",
    "CountUpTo",
    "ResourceCountUpTo",
    "AccumulatorApply",
    "SparseAccumulatorApply",
    "BarrierInsert",
)
_SCATTERS = frozenset(
    "ScatterUpdate ScatterAdd ScatterSub ScatterMul ScatterDiv ScatterMin ScatterMax "
    "ScatterNdUpdate ScatterNdAdd ScatterNdSub ScatterNdMul ScatterNdDiv ScatterNdMin "
    "ScatterNdMax".split()
)
_PLUMBING = frozenset(
    "NoOp Assert Print PrintV2 Save SaveV2 SaveSlices Restore RestoreV2 RestoreSlice "
    "ShardedFilename ShardedFilespec MergeV2Checkpoints IsVariableInitialized VarIsInitializedOp "
    "DestroyResourceOp DestroyTemporaryVariable InitializeTable InitializeTableV2 "
    "InitializeTableFromTextFile InitializeTableFromTextFileV2 LookupTableImport "
    "LookupTableImportV2 LookupTableExport LookupTableExportV2 LookupTableInsert "
    "LookupTableInsertV2 LookupTableSize LookupTableSizeV2 MakeIterator QueueEnqueue "
    "QueueEnqueueV2 QueueEnqueueMany QueueEnqueueManyV2 QueueClose QueueCloseV2 QueueSize "
    "QueueSizeV2 StackPush StackPushV2 StackCloseV2 IteratorToStringHandle "
    "InitializeDatasetWithSelector DeleteIterator".split()
)

# What saves and restores, and what a file's name may pass through on its way there.
SAVER_OPS = frozenset(
    "Save SaveV2 SaveSlices Restore RestoreV2 RestoreSlice MergeV2Checkpoints "
    "ShardedFilespec".split()
)
CARRIES_FILENAME = frozenset(
    "Identity PlaceholderWithDefault ShardedFilename StringJoin Pack ExpandDims Reshape ConcatV2 "
    "StaticRegexFullMatch RegexFullMatch Select SelectV2 Add AddV2".split()
)

_STACK_PREFIXES = ("EmptyTensorList", "TensorListReserve", "TensorListPushBack", "Stack")

# What comes out says nothing of the values that went in.
BARRIERS = frozenset("Shape ShapeN Size Rank ZerosLike OnesLike VariableShape".split())

# These bring data into a graph without being fed.
PIPELINE_OPS = frozenset(
    "IteratorGetNext IteratorGetNextSync IteratorGetNextAsOptional QueueDequeue QueueDequeueV2 "
    "QueueDequeueMany QueueDequeueManyV2 QueueDequeueUpTo QueueDequeueUpToV2 ReaderRead "
    "ReaderReadV2 ReaderReadUpTo ReaderReadUpToV2 InfeedDequeue InfeedDequeueTuple ReadFile "
    "WholeFileRead StageGet Unstage DatasetToSingleElement".split()
)
METRIC_OPS = frozenset(
    "Equal NotEqual InTopK InTopKV2 EditDistance ApproximateEqual CTCLoss CTCLossV2 L2Loss "
    "SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits SquaredDifference "
    "CudnnCTCLoss DenseToDenseSetOperation".split()
)
# Made of a result only to compare it with labels, if that is all that is done with them.
MADE_FOR_COMPARISON = frozenset("ArgMax Cast Round TopKV2 Rint".split())

ACTIVATIONS = {
    "Softmax": 4.0,
    "Sigmoid": 3.5,
    "Tanh": 3.0,
    **dict.fromkeys("Relu Relu6 LeakyRelu Elu Selu Softplus".split(), 2.5),
    "LogSoftmax": 2.0,
}
# These are worth what their first operand is.
PASSES_SCORE = frozenset(
    "Identity IdentityN Reshape Squeeze ExpandDims Transpose ConcatV2 Concat Pack Cast "
    "StopGradient Snapshot".split()
)
# Parts of loops and TensorArrays: even a telling name makes no result of them.
LOOP_OPS = frozenset(
    "Switch Enter NextIteration LoopCond RefSwitch RefEnter TensorArrayV3 TensorArrayReadV3 "
    "TensorArrayWriteV3 TensorArrayScatterV3 TensorArraySizeV3 TensorArrayGradV3 Range "
    "StackPopV2".split()
)
_OTHER_SCORES = {
    **dict.fromkeys("ArgMax ArgMin TopK TopKV2 Multinomial".split(), 1.5),
    **dict.fromkeys("CTCGreedyDecoder CTCBeamSearchDecoder".split(), 3.0),
    **dict.fromkeys("LookupTableFind LookupTableFindV2 Where SparseToDense".split(), 1.5),
    **dict.fromkeys(
        "PartitionedCall StatefulPartitionedCall If StatelessIf CombinedNonMaxSuppression "
        "TPUPartitionedCall".split(),
        3.0,
    ),
    **dict.fromkeys("While StatelessWhile".split(), 0.5),
    **dict.fromkeys("Mean Sum Prod Max Min Sub Log Neg Abs Pow Square".split(), -2.0),
    **dict.fromkeys("SquaredDifference Equal NotEqual Less Greater L2Loss".split(), -4.0),
    **dict.fromkeys(LOOP_OPS, -6.0),
    **dict.fromkeys("StridedSlice Slice GatherV2 Gather Unpack Split SplitV Fill".split(), -1.0),
}
_FIRST_OUTPUT_ONLY_PREFIXES = (
    "FusedBatchNorm",
    "Switch",
    "RefSwitch",
    "Merge",
    "RefMerge",
    "While",
    "BlockLSTM",
)


def is_update(op: str) -> bool:
    """Whether it changes a variable."""
    return op.startswith(_UPDATE_PREFIXES) or op in _SCATTERS


def is_plumbing(op: str) -> bool:
    """Whether it saves, restores, reports, checks or keeps tables and queues."""
    return op in _PLUMBING or op.endswith(("Summary", "SummaryV2")) or op.startswith("Debug")


def is_stack(op: str) -> bool:
    """Whether it may keep values of a loop for the loop's gradient, itself or as a size."""
    return op.startswith(_STACK_PREFIXES) or op == "Const"


def has_first_output_only(op: str) -> bool:
    """Whether output 0 alone is a result, and the others are by-products."""
    return op.startswith(_FIRST_OUTPUT_ONLY_PREFIXES)


def op_score(op: str) -> float:
    """How likely a model ends with it."""
    return ACTIVATIONS.get(op, _OTHER_SCORES.get(op, 0.5))
