"""Type and shape of a tensor in a graph, found without TensorFlow's op registry.

Types come from the op's signature (a meta graph carries those of its ops, op_def.proto) and the
node's attributes; for a bare GraphDef from the rules below. Shapes come from `_output_shapes`
(written by export_meta_graph), from the attributes of sources, or from the input of ops that keep
their input's shape. Nothing is guessed: what the file does not say is None.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tfartifacts.dtypes import DType, dtype_from_name
from tfartifacts.errors import NameNotFoundError, name_not_found
from tfartifacts.model.graphs import Argument, Node, OpDef, TensorInfo, TensorShape, node_names

if TYPE_CHECKING:
    from tfartifacts.model.graphs import Graph
    from tfartifacts.model.values import PartialShape

PLACEHOLDER_OPS = frozenset({"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"})

_HAS_SHAPE_ATTR = PLACEHOLDER_OPS | {"Variable", "VariableV2", "TemporaryVariable"}
_KEEPS_SHAPE = frozenset(
    "Identity Softmax LogSoftmax Sigmoid Tanh Relu Relu6 LeakyRelu Elu Selu Softplus Softsign Cast "
    "StopGradient PreventGradient Snapshot Neg Abs Exp Log Sqrt Rsqrt Square Sign Floor Ceil Round "
    "LogicalNot IsNan IsInf IsFinite BiasAdd CheckNumerics ZerosLike OnesLike Reverse ReverseV2 "
    "PlaceholderWithDefault Assign AssignAdd AssignSub Enter RefEnter Exit RefExit "
    "NextIteration".split()
)

# Type of output 0 of ops whose graph carries no signatures, `attribute=default`: an attribute, and
# the type it has by default; either may be missing. `op:1` is that op's output 1. Checked against
# the registry of TensorFlow 2.21: every other op has the type of one of the attributes below.
_OUTPUT_TYPE_RULES = {
    **dict.fromkeys(
        "Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr LogicalNot IsNan "
        "IsInf IsFinite All Any InTopK InTopKV2 ApproximateEqual IsVariableInitialized "
        "VarIsInitializedOp LoopCond ToBool RiscBinaryComparison RiscIsFinite "
        "SparseFillEmptyRows:2 RaggedFillEmptyRows:2".split(),
        "=bool",
    ),
    **dict.fromkeys(
        "Rank MergeV2Checkpoints StringLength Bucketize NonMaxSuppression NonMaxSuppressionV2 "
        "NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5 NonMaxSuppressionV4:1 "
        "NonMaxSuppressionV5:2 SetSize StageSize MapSize MapIncompleteSize OrderedMapSize "
        "OrderedMapIncompleteSize TensorArraySize TensorArraySizeV2 TensorArraySizeV3 QueueSize "
        "QueueSizeV2 TopK:1 Merge:1 RefMerge:1".split(),
        "=int32",
    ),
    **dict.fromkeys(
        "Where StringToHashBucketFast StringToHashBucket LookupTableSize LookupTableSizeV2 "
        "AddManySparseToTensorsMap AddSparseToTensorsMap BarrierTakeMany CTCBeamSearchDecoder "
        "CTCGreedyDecoder DebugNanCount DenseCountSparseOutput DenseToDenseSetOperation "
        "DenseToSparseSetOperation DeserializeManySparse DeserializeSparse MapUnstageNoKey "
        "OrderedMapUnstageNoKey RaggedCountSparseOutput RaggedFillEmptyRows RaggedTensorToSparse "
        "SparseAccumulatorTakeGradient SparseAdd SparseConcat SparseCountSparseOutput "
        "SparseFillEmptyRows SparseReduceMaxSparse SparseReduceSumSparse SparseReorder SparseSlice "
        "SparseSparseMaximum SparseSparseMinimum SparseSplit SparseToSparseSetOperation "
        "TakeManySparseFromTensorsMap".split(),
        "=int64",
    ),
    **dict.fromkeys(
        "AsString StringJoin EncodeBase64 DecodeBase64 ReadFile ShardedFilename ShardedFilespec "
        "EncodeJpeg EncodePng ReduceJoin StringLower StringUpper Substr MergeSummary ScalarSummary "
        "HistogramSummary ImageSummary TensorSummary TensorSummaryV2 Barrier "
        "ConditionalAccumulator FIFOQueue GetSessionHandle PaddingFIFOQueue PriorityQueue "
        "RandomShuffleQueue SerializeTensor SparseConditionalAccumulator StringFormat TensorArray "
        "TensorArrayV2".split(),
        "=string",
    ),
    **dict.fromkeys(
        "ResizeBilinear ResizeBicubic ResizeArea CropAndResize CropAndResizeGradBoxes "
        "FakeQuantWithMinMaxVars FakeQuantWithMinMaxArgs AdjustContrast EditDistance "
        "RequantizationRangePerChannel RiscRandomUniform ScaleAndTranslate TensorArrayScatter "
        "TensorArrayScatterV2 TensorArrayScatterV3 TensorArraySplit TensorArraySplitV2 "
        "TensorArraySplitV3 TensorArrayUnpack TensorArrayWrite TensorArrayWriteV2 "
        "TensorArrayWriteV3 TensorArrayV3:1".split(),
        "=float32",
    ),
    **dict.fromkeys(
        "VarHandleOp HashTableV2 MutableHashTableV2 FIFOQueueV2 GetSessionHandleV2 "
        "PaddingFIFOQueueV2 PriorityQueueV2 RandomShuffleQueueV2 ResourceConditionalAccumulator "
        "TensorArrayV3 _VarHandlesOp _XlaAotOnlyVarHandleOp".split(),
        "=resource",
    ),
    **dict.fromkeys(
        "DenseToCSRSparseMatrix Prelinearize PrelinearizeTuple SparseMatrixAdd SparseMatrixMul "
        "SparseTensorToCSRSparseMatrix WindowOp".split(),
        "=variant",
    ),
    **dict.fromkeys("DecodeJpeg Fingerprint PopulationCount".split(), "=uint8"),
    **dict.fromkeys("ArgMax ArgMin".split(), "output_type=int64"),
    **dict.fromkeys("Multinomial StatelessMultinomial".split(), "output_dtype=int64"),
    **dict.fromkeys("Shape ShapeN Size LowerBound UpperBound".split(), "out_type=int32"),
    **dict.fromkeys("SerializeSparse SerializeManySparse".split(), "out_type=string"),
    **dict.fromkeys("Unique:1 UniqueV2:1 UniqueWithCounts:1 ListDiff:1".split(), "out_idx=int32"),
    "TopKV2:1": "index_type=int32",
    "Cast": "DstT",
    "Bitcast": "type",
    "Dequantize": "dtype=float32",
    "DecodeRaw": "out_type",
    "StringToNumber": "out_type=float32",
    "ParseTensor": "out_type",
    "HistogramFixedWidth": "dtype=int32",
    "IsotonicRegression": "output_dtype=float32",
    "Gather": "Tparams",
    "GatherV2": "Tparams",
    "GatherNd": "Tparams",
    "ResourceGather": "dtype",
    "ReadVariableOp": "dtype",
    "LookupTableFind": "Tout",
    "LookupTableFindV2": "Tout",
    "Const": "dtype",
    "Fill": "T",
    "OneHot": "T",
    # Types of their own, that nobody asks for.
    **dict.fromkeys(
        "CudnnRNNParamsSize RaggedRange RequantizePerChannel RiscShape DtypeWithDefaultOp "
        "DebugNumericSummaryV2 XlaRngBitGenerator DecodeProtoV2 _ArrayToList "
        "_TensorToHashBucketFast _MklDequantize".split(),
        "",
    ),
}
# Handles, of a type that none of their attributes is.
_HANDLE_OP = re.compile(r"Dataset(?!ToSingleElement)|Iterator(?!GetNext(Sync|FromShard)?\Z)")
# Ops with several outputs, all of one type.
_ALL_OUTPUTS_ALIKE = frozenset("Split SplitV Unpack Switch RefSwitch ShapeN".split())
# Attributes that hold output types where an op is not listed, tried in this order. `T` is last:
# with several type attributes it may be the input's alone.
_OUTPUT_TYPE_ATTRS = ("Tout", "dtypes", "component_types", "output_types", "dtype", "T")

_TENSOR_NAME = re.compile(r"\A(?P<node>[^:^]+)(?::(?P<output>\d{1,9}))?\Z")


def parse_tensor_name(name: str) -> tuple[str, int]:
    """`("node", 1)` for `node:1`; `node` alone means its output 0.

    Raises NameNotFoundError for what cannot be a tensor's name, such as `^node`.
    """
    match = _TENSOR_NAME.match(name)
    if match is None:
        raise NameNotFoundError(f"found {name!r}, expected a tensor's name such as 'softmax:0'")
    return match["node"], int(match["output"] or 0)


def describe_tensor(graph: Graph, name: str) -> TensorInfo:
    """See Graph.tensor."""
    node_name, output = parse_tensor_name(name)
    if node_name not in graph:
        raise name_not_found("node", node_name, node_names(graph.nodes))
    node = graph[node_name]
    dtypes = output_dtypes(graph, node)
    if dtypes is not None and output >= len(dtypes):
        outputs = "no outputs" if not dtypes else f"outputs 0 to {len(dtypes) - 1}"
        raise NameNotFoundError(f"no tensor '{node_name}:{output}'; {node.op} has {outputs}")
    dtype = output_dtype(graph, node, output)
    return TensorInfo(f"{node_name}:{output}", dtype, output_shape(graph, node, output))


def output_dtypes(graph: Graph, node: Node) -> tuple[DType, ...] | None:
    """Types of all outputs of a node where its op's signature came along, else None."""
    if (op_def := graph.op_defs.get(node.op)) is not None:
        return _dtypes_by_signature(op_def, node)
    if (function := graph.functions.get(node.op)) is not None:
        return _dtypes_by_signature(OpDef(function.name, (), function.outputs), node)
    return None


def output_dtype(graph: Graph, node: Node, output: int) -> DType | None:
    """Type of one output of a node; None where neither signature nor rule tells."""
    dtypes = output_dtypes(graph, node)
    if dtypes is not None:
        return dtypes[output] if output < len(dtypes) else None
    if node.op in _ALL_OUTPUTS_ALIKE:
        output = 0
    rule = _OUTPUT_TYPE_RULES.get(f"{node.op}:{output}" if output else node.op)
    if rule is not None:
        attr, _, default = rule.partition("=")
        value = node.attrs.get(attr)
        if isinstance(value, DType):
            return value
        # Default values may have been stripped from the graph (strip_default_attrs).
        return dtype_from_name(default) if default else None
    if _HANDLE_OP.search(node.op) or node.op in _OUTPUT_TYPE_RULES:
        return None
    for attr in _OUTPUT_TYPE_ATTRS:
        if (dtype := _attr_dtype(node, attr, output)) is not None:
            return dtype
    return None


def _attr_dtype(node: Node, attr: str, output: int) -> DType | None:
    value = node.attrs.get(attr)
    if isinstance(value, DType):
        # Of several outputs without a list of types only the first is known to have this one.
        return value if output == 0 else None
    if isinstance(value, list) and output < len(value) and isinstance(value[output], DType):
        listed: DType = value[output]
        return listed
    return None


def _dtypes_by_signature(op_def: OpDef, node: Node) -> tuple[DType, ...] | None:
    dtypes: list[DType] = []
    for argument in op_def.outputs:
        types = argument_dtypes(argument, node)
        if types is None:
            return None
        dtypes.extend(types)
    return tuple(dtypes)


def argument_dtypes(argument: Argument, node: Node) -> list[DType] | None:
    if argument.type_list_attr:
        listed = node.attrs.get(argument.type_list_attr)
        ok = isinstance(listed, list) and all(isinstance(item, DType) for item in listed)
        return list(listed) if ok and listed is not None else None
    dtype = argument.dtype
    if argument.type_attr:
        attr = node.attrs.get(argument.type_attr)
        dtype = attr if isinstance(attr, DType) else None
    if dtype is None:
        return None
    if not argument.number_attr:
        return [dtype]
    number = node.attrs.get(argument.number_attr)
    # A million outputs of one node is beyond anything TensorFlow writes.
    if not isinstance(number, int) or not 0 <= number <= 1_000_000:
        return None
    return [dtype] * number


def output_shape(graph: Graph, node: Node, output: int) -> PartialShape:
    """Shape of one output of a node, as far as the file tells."""
    seen: set[str] = set()
    while node.name not in seen:
        seen.add(node.name)
        shapes = node.attrs.get("_output_shapes")
        if isinstance(shapes, list) and output < len(shapes):
            return _partial(shapes[output])
        if output != 0:
            return None
        if node.op == "Const" and (value := node.attrs.get("value")) is not None:
            shape: PartialShape = getattr(value, "shape", None)
            return shape
        if node.op in _HAS_SHAPE_ATTR and "shape" in node.attrs:
            return _placeholder_shape(node)
        if node.op not in _KEEPS_SHAPE or not node.inputs or node.inputs[0].startswith("^"):
            return None
        source, output = parse_tensor_name(node.inputs[0])
        if source not in graph:
            return None
        node = graph[source]
    return None


def _placeholder_shape(node: Node) -> PartialShape:
    shape = _partial(node.attrs.get("shape"))
    # Until GraphDef version 23 a scalar shape on a Placeholder stood for an unknown one
    # (array_ops.cc, Placeholder's shape function).
    return None if node.op == "Placeholder" and shape == () else shape


def _partial(value: object) -> PartialShape:
    return tuple(value) if isinstance(value, TensorShape) else None
