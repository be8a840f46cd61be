"""Which tensors of a graph a caller would feed and fetch, best guess first.

How it is found, in the order of the code:

    machinery  savers, summaries, gradients, optimizer updates, assignments: set aside
    weights    variables and what only reshapes them; in a frozen graph, float constants
    model op   takes a weight and something computed from an input as direct operands
    sources    placeholders, iterators, dequeued batches. An input is one from which a model op is
               reached; a label meets the loss or a metric without; a switch is a scalar such as
               keep_prob or is_training
    region     what is computed from inputs and no label, short of the loss
    tail       that part of the region from which no further model op is reached; the candidates
               lie here: a softmax is often not an end, accuracy and loss consume it

Candidates are scored by op, by what consumes them and by name. A signature overrules all this:
its tensors come first. Every step is one walk over the edges.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from tfartifacts.dtypes import DType
from tfartifacts.errors import NameNotFoundError
from tfartifacts.graphs.edges import Edges, edges_of, parse_input, walk
from tfartifacts.model import Graph, MetaGraph, Node, Saver, TensorInfo
from tfartifacts.model.saved_models import INIT_OP_SIGNATURE
from tfartifacts.model.tensors import PLACEHOLDER_OPS, output_dtype, output_dtypes
from tfartifacts.model.values import PartialShape

INPUT, SWITCH, LABEL = "input", "switch", "label"
OUTPUT, ALTERNATIVE = "output", "alternative"

# A graph full of loose ends has no use for a list of all of them.
MOST_CANDIDATES = 50
_MOST_OUTPUTS = 16
_MOST_ALTERNATIVES = 8
_MOST_TYPED = 200
_LONGEST_SEARCH = 2000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tensor that could be an input or an output.

    `role` of an input: "input" (data), "switch" (a scalar such as keep_prob or is_training) or
    "label" (meets only the loss or the metrics). `role` of an output: "output" (propose it) or
    "alternative" (before or after a better one, or a weak guess). `connected`: the proposed
    outputs depend on this input; always true of outputs. `score` only orders; larger is better.
    """

    name: str
    dtype: DType | None
    shape: PartialShape
    op: str
    role: str
    reason: str
    score: float
    connected: bool = True


@dataclass(frozen=True, slots=True)
class Candidates:
    """Inputs and outputs a graph seems to have, each best first."""

    inputs: tuple[Candidate, ...] = ()
    outputs: tuple[Candidate, ...] = ()


def candidates(source: MetaGraph | Graph, saver: Saver | None = None) -> Candidates:
    """Propose the inputs and outputs of a graph.

    `saver` helps to tell the saver's nodes apart in a bare graph; a meta graph brings its own.
    Nothing is refused: a graph without a plausible tensor gives empty tuples.
    """
    graph = source.graph
    collections = source.collections if isinstance(source, MetaGraph) else {}
    if isinstance(source, MetaGraph):
        saver = saver or source.saver
    trainable = (
        _names_in(collections["trainable_variables"].values)
        if ("trainable_variables" in collections)
        else frozenset()
    )
    found = _Search(graph, saver, trainable).run()
    if isinstance(source, MetaGraph):
        found = _with_signatures(source, found)
    return found


def as_flags(found: Candidates) -> list[str]:
    """The proposal as arguments of `convert`: `["--inputs", "x:0", "--outputs", "y:0"]`.

    A key is written out (`x_1=b/x:0`) only where the node names' last components collide.
    """
    inputs = [item.name for item in found.inputs if item.role == INPUT and item.connected]
    outputs = [item.name for item in found.outputs if item.role == OUTPUT]
    flags: list[str] = []
    if inputs:
        flags += ["--inputs", *_with_keys(inputs)]
    if outputs:
        flags += ["--outputs", *_with_keys(outputs)]
    return flags


def _with_keys(names: Sequence[str]) -> list[str]:
    last = [parse_input(name).node.rpartition("/")[2] for name in names]
    taken = {key for key in last if last.count(key) == 1}
    mappings: list[str] = []
    for name, key in zip(names, last, strict=True):
        if key in taken and last.count(key) == 1:
            mappings.append(name)
            continue
        number = 0
        unique = key
        while unique in taken:
            number += 1
            unique = f"{key}_{number}"
        taken.add(unique)
        mappings.append(f"{unique}={name}")
    return mappings


# ---------------------------------------------------------------------------------------------
# What ops and names mean

VARIABLE_OPS = frozenset("Variable VariableV2 AutoReloadVariable VarHandleOp".split())

# A weight passed through one of these is still a weight: operand number of the weight.
_PASSES_WEIGHT = {
    **dict.fromkeys(
        "Identity ReadVariableOp Enter RefEnter Switch RefSwitch RefIdentity Cast Reshape "
        "Transpose StridedSlice Slice Unpack ExpandDims Squeeze Snapshot StopGradient SplitV "
        "Dequantize FakeQuantWithMinMaxVars FakeQuantWithMinMaxArgs QuantizeAndDequantizeV2 "
        "QuantizeAndDequantizeV3".split(),
        0,
    ),
    "Split": 1,
}
_JOINS_WEIGHTS = frozenset("ConcatV2 Concat Pack ParallelConcat".split())

# Ops whose operand counts as a weight even if it was computed from variables (weight norm,
# normalized embeddings).
_STRONG = frozenset(
    "MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Conv1D Conv2D Conv3D DepthwiseConv2dNative "
    "Conv2DBackpropInput Conv3DBackpropInputV2 BiasAdd BiasAddV1 Gather GatherV2 GatherNd "
    "ResourceGather SparseMatMul SparseTensorDenseMatMul Einsum FusedBatchNorm FusedBatchNormV2 "
    "FusedBatchNormV3 BatchNormWithGlobalNormalization QuantizedMatMul QuantizedConv2D "
    "CudnnRNN CudnnRNNV2 CudnnRNNV3 LSTMBlockCell BlockLSTM GRUBlockCell".split()
)

_SUMMARY = re.compile(r"Summary(V2)?\Z|\AWrite\w*Summary\Z|\ADebug")
_UPDATE = re.compile(
    r"\A(Assign|Resource(Sparse)?Apply|(Sparse)?Apply|ResourceScatter|CountUpTo|ResourceCountUpTo)"
    r"|\AScatter(Nd)?(Update|Add|Sub|Mul|Div|Min|Max)\Z|\AResourceStridedSliceAssign|"
    r"\AStridedSliceAssign|\A(Sparse)?AccumulatorApply|\ABarrierInsert"
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
# What comes out says nothing of the values that went in.
_BARRIERS = frozenset("Shape ShapeN Size Rank ZerosLike OnesLike VariableShape".split())

_PIPELINE = re.compile(
    r"\A(IteratorGetNext(Sync|AsOptional)?|QueueDequeue(Many|UpTo)?(V2)?|ReaderRead(UpTo)?(V2)?|"
    r"InfeedDequeue(Tuple)?|ReadFile|WholeFileRead|StageGet|Unstage|DatasetToSingleElement)\Z"
)
_METRIC_OPS = frozenset(
    "Equal NotEqual InTopK InTopKV2 EditDistance ApproximateEqual CTCLoss CTCLossV2 L2Loss "
    "SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits SquaredDifference "
    "CudnnCTCLoss DenseToDenseSetOperation".split()
)

_ACTIVATIONS = {
    "Softmax": 4.0,
    "Sigmoid": 3.5,
    "Tanh": 3.0,
    "Relu": 2.5,
    "Relu6": 2.5,
    "LeakyRelu": 2.5,
    "Elu": 2.5,
    "Selu": 2.5,
    "Softplus": 2.5,
    "LogSoftmax": 2.0,
}
_PASSES_SCORE = frozenset(
    "Identity IdentityN Reshape Squeeze ExpandDims Transpose ConcatV2 Concat Pack Cast "
    "StopGradient Snapshot".split()
)
_OP_SCORES = {
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
    **dict.fromkeys(
        "Switch Enter NextIteration LoopCond RefSwitch RefEnter TensorArrayV3 "
        "TensorArrayReadV3 TensorArrayWriteV3 TensorArrayScatterV3 TensorArraySizeV3 "
        "TensorArrayGradV3 Range StackPopV2".split(),
        -6.0,
    ),
    **dict.fromkeys("StridedSlice Slice GatherV2 Gather Unpack Split SplitV Fill".split(), -1.0),
}
# Of these only output 0 is a result; the others are by-products.
_FIRST_OUTPUT_ONLY = re.compile(
    r"\A(FusedBatchNorm|Switch|RefSwitch|Merge|RefMerge|While|BlockLSTM)"
)

_OUTPUT_WORDS = {
    **dict.fromkeys(
        "predict prediction predictions predicted predicts pred preds output outputs prob probs "
        "probability probabilities proba score scores class classes detection detections "
        "result results generated reconstruction decoded answer yhat hypothesis".split(),
        5.0,
    ),
    **dict.fromkeys(
        "out logits logit softmax sigmoid embedding embeddings inference infer action actions "
        "classification encoding features translation mask boxes segmentation sample samples "
        "generator decoder qvalue similarity value".split(),
        2.5,
    ),
}
_LOSS_WORDS = frozenset(
    "loss losses cost costs xent xentropy entropy crossentropy accuracy acc metric metrics mse mae "
    "rmse regularizer regularization regularizers penalty precision recall auc correct error "
    "errors perplexity confusion hinge huber objective ler cer wer iou dice weightdecay".split()
)
_LABEL_WORDS = frozenset(
    "label labels target targets tgt truth groundtruth gt annotation annotations ytrue weights "
    "expected teacher reward rewards advantage advantages".split()
)
_SWITCH_NAME = re.compile(
    r"keep_?prob|dropout|(^|_)(is_?)?train(ing)?(_?(flag|phase|mode))?($|_\d)|phase|learning_?rate|"
    r"(^|_)lr($|_)|momentum|batch_?size|temperature|global_?step|(^|_)mode($|_)|is_?test|keep_?rate",
    re.IGNORECASE,
)
# Names TensorFlow's Python gives where the user gave none and that are not the op's.
_DEFAULT_NAMES = frozenset(
    "add sub mul div truediv floordiv mod pow matmul strided_slice concat stack unstack split "
    "transpose dropout embedding_lookup tofloat toint32 toint64 conv2d xw_plus_b flatten "
    "l2_normalize gathernd gather boolean_mask moments batchnorm rnn while cond one_hot "
    "reshape squeeze expand_dims identity".split()
)
_STACK = re.compile(r"\A(EmptyTensorList|TensorListReserve|Stack|Const\Z|TensorListPushBack)")
_NUMBER = re.compile(r"_\d+\Z")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_GRADIENT_SCOPE = re.compile(r"(?:\A|/)(?:gradients?(?:_\d+)?|gradient_tape|GradientTape)/")


def _words(name: str) -> list[str]:
    # Names are capped: a hostile one of megabytes tells no more than its end.
    return [word.lower() for word in _WORD.findall(name[-200:])]


def _is_default_name(last: str, op: str) -> bool:
    plain = _NUMBER.sub("", last).lower()
    return plain == op.lower() or plain in _DEFAULT_NAMES or op.lower().startswith(plain + "v")


def _names_in(variable_defs: Iterable[object]) -> frozenset[str]:
    """Variable names in a collection of encoded VariableDefs: field 1, which comes first."""
    names: set[str] = set()
    for encoded in variable_defs:
        if isinstance(encoded, bytes) and len(encoded) > 2 and encoded[0] == 0x0A:
            size, start = encoded[1], 2
            if size & 0x80:
                size, start = (size & 0x7F) | (encoded[2] & 0x7F) << 7, 3
            name = encoded[start : start + size].decode("utf-8", "replace")
            names.add(parse_input(name).node)
    return frozenset(names)


# ---------------------------------------------------------------------------------------------
# The search


@dataclass(slots=True)
class _Source:
    """An output of a node that brings data into the graph."""

    index: int
    output: int
    role: str = INPUT
    reason: str = ""
    score: float = 0.0
    connected: bool = False


class _Search:
    """One graph under examination; sets hold positions of nodes in `edges.nodes`."""

    def __init__(self, graph: Graph, saver: Saver | None, trainable: frozenset[str]) -> None:
        self.graph = graph
        self.edges: Edges = edges_of(graph)
        self.nodes = self.edges.nodes
        self.trainable = trainable
        self._words_of_scope: dict[str, frozenset[str]] = {"": frozenset()}
        self.budget = 10 * len(self.nodes) + 100 * _LONGEST_SEARCH
        self._find_machinery(saver)

    def run(self) -> Candidates:
        sources = self._find_sources()
        self._find_weights(sources)
        self._find_losses()
        self._give_roles(sources)
        outputs = self._find_outputs(sources)
        inputs = self._rank_inputs(sources, outputs)
        return Candidates(tuple(inputs), tuple(outputs))

    # -- machinery ----------------------------------------------------------------------------

    def _find_machinery(self, saver: Saver | None) -> None:
        nodes, edges = self.nodes, self.edges
        self.updates: set[int] = set()
        self.gradients: set[int] = set()
        self.summaries: set[int] = set()
        plumbing: set[int] = set()
        kinds: dict[str, set[int] | None] = {}
        for index, node in enumerate(nodes):
            kind = kinds.get(node.op, plumbing)
            if node.op not in kinds:
                kind = self._kind_of_op(node.op, plumbing)
                kinds[node.op] = kind
            if kind is not None:
                kind.add(index)
            if "grad" in node.name.lower() and _GRADIENT_SCOPE.search(node.name):
                self.gradients.add(index)
        if saver is not None:
            filename = edges.indices(name for name in [saver.filename_tensor_name] if name)
            restore = edges.indices(name for name in [saver.restore_op_name] if name)
            plumbing |= edges.ancestors(filename) | edges.descendants([*filename, *restore])
        machinery = self.updates | self.summaries | plumbing | self.gradients

        # What depends on gradients and ends in an update is the optimizer's (clipping, averaging
        # over towers); what depends on them otherwise (forces, saliency) may be a result.
        # The stacks of a loop's gradient are fed into the loop itself, and say nothing of it.
        flow = {index for index in self.gradients if not _STACK.match(nodes[index].op)}
        after_gradients = edges.descendants(flow, stop=self.gradients - flow)
        after_gradients -= self.gradients - flow
        before_updates = edges.ancestors(
            self.updates & after_gradients, control=False, stop=machinery - self.updates
        )
        self.trains = bool(self.updates & after_gradients)
        self.from_gradients = after_gradients - self.gradients
        machinery |= self.from_gradients & before_updates
        machinery |= self._feeding_only_updates(machinery)
        self.machinery = machinery

    def _kind_of_op(self, op: str, plumbing: set[int]) -> set[int] | None:
        if _UPDATE.match(op):
            return self.updates
        if _SUMMARY.search(op):
            return self.summaries
        return plumbing if op in _PLUMBING else None

    def _feeding_only_updates(self, machinery: set[int]) -> set[int]:
        """Nodes that only updates or such nodes consume: moving averages, initial values."""
        consumers, producers = self.edges.consumers, self.edges.producers
        only: set[int] = set()
        left: dict[int, int] = {}
        todo = list(self.updates)
        while todo:
            for index in producers[todo.pop()]:
                # One visit for each edge: at the last one all consumers are known to be such.
                left[index] = left.get(index, len(consumers[index])) - 1
                if left[index] or index in machinery:
                    continue
                node = self.nodes[index]
                if node.op in VARIABLE_OPS or node.op in PLACEHOLDER_OPS:
                    continue
                if not self._could_be_result(node):
                    only.add(index)
                    todo.append(index)
        return only

    def _could_be_result(self, node: Node) -> bool:
        """A metric with variables of its own must not swallow the prediction it measures."""
        if node.op in _ACTIVATIONS or node.op in _STRONG or node.op in _METRIC_OPS:
            return True
        last = node.name.rpartition("/")[2]
        return not _is_default_name(last, node.op) and any(
            word in _OUTPUT_WORDS for word in _words(last)
        )

    # -- sources ------------------------------------------------------------------------------

    def _find_sources(self) -> list[_Source]:
        found = {
            index
            for index, node in enumerate(self.nodes)
            if index not in self.machinery
            and (node.op in PLACEHOLDER_OPS or _PIPELINE.match(node.op))
        }
        # Who takes which output, for all of them in one pass: a node may have a million inputs.
        users: dict[tuple[int, int], dict[int, None]] = {}
        for user, producers in enumerate(self.edges.producers):
            if user in self.machinery:
                continue
            for index, output in zip(producers, self.edges.outputs[user], strict=True):
                if index in found:
                    users.setdefault((index, output), {})[user] = None
        self.users_of = {tensor: list(takers) for tensor, takers in users.items()}
        unused = {index for index in found if self.nodes[index].op in PLACEHOLDER_OPS}
        tensors = {*self.users_of, *((index, 0) for index in unused)}
        return [_Source(index, output) for index, output in sorted(tensors)]

    def _users(self, source: _Source) -> list[int]:
        return self.users_of.get((source.index, source.output), [])

    def _forward(self, starts: Iterable[int], stop: set[int] | None = None) -> set[int]:
        """What is computed from the values of the starts, machinery left out."""
        blocked = self.machinery if stop is None else stop
        reached = walk(
            (index for index in starts if index not in blocked),
            [self.edges.consumers],
            lambda index: index not in blocked and self.nodes[index].op not in _BARRIERS,
        )
        return {
            index
            for index in reached
            if index not in blocked and self.nodes[index].op not in _BARRIERS
        }

    def _backward(self, starts: Iterable[int], within: set[int] | None = None) -> set[int]:
        """What the values of the starts are computed from; machinery and shapes left out."""

        def goes_on(index: int) -> bool:
            if within is not None and index not in within:
                return False
            return index not in self.machinery and self.nodes[index].op not in _BARRIERS

        reached = walk(starts, [self.edges.producers], goes_on)
        return {index for index in reached if goes_on(index)}

    # -- weights ------------------------------------------------------------------------------

    def _find_weights(self, sources: Sequence[_Source]) -> None:
        self.tainted = self._forward(source.index for source in sources)
        variables = self.variables = [
            i for i, node in enumerate(self.nodes) if node.op in VARIABLE_OPS
        ]
        chosen = [i for i in variables if self.nodes[i].name in self.trainable] or variables
        # Names of bookkeeping: their readers are counters and schedules, not layers.
        chosen = [i for i in chosen if not _is_bookkeeping(self.nodes[i].name)]
        self._find_model_ops(chosen)
        if not self.model_ops and len(chosen) < len(variables):
            self._find_model_ops(variables)
        if not self.model_ops:
            constants = [i for i, node in enumerate(self.nodes) if _is_weight_constant(node)]
            self._find_model_ops(constants)

    def _find_model_ops(self, weights: Sequence[int]) -> None:
        self.weights = self._passed_on(weights)
        derived = self._forward(self.weights) - self.tainted
        self.model_ops: set[int] = set()
        users = {user for index in self.weights | derived for user in self.edges.consumers[index]}
        for user in users & self.tainted:
            strong = self.nodes[user].op in _STRONG
            weight = data = False
            for producer in self.edges.producers[user]:
                if producer in self.weights or (strong and producer in derived):
                    weight = True
                elif producer in self.tainted:
                    data = True
            if weight and data:
                self.model_ops.add(user)

    def _passed_on(self, weights: Sequence[int]) -> set[int]:
        found = set(weights)
        todo = list(found)
        while todo:
            index = todo.pop()
            for user in self.edges.consumers[index]:
                if user in found or user in self.tainted or user in self.machinery:
                    continue
                op, producers = self.nodes[user].op, self.edges.producers[user]
                operand = _PASSES_WEIGHT.get(op)
                if operand is not None:
                    passes = operand < len(producers) and producers[operand] == index
                else:
                    passes = op in _JOINS_WEIGHTS
                if passes:
                    found.add(user)
                    todo.append(user)
        return found

    # -- losses and metrics -------------------------------------------------------------------

    def _find_losses(self) -> None:
        """The ends of what gradients were taken of, and all that is computed from them."""
        twins = self._differentiated() if self.trains else set()
        self.differentiated = twins
        before: set[int] = set()
        for index in twins:
            before.update(self.edges.producers[index])
        before = self._backward(before)
        ends = {index for index in twins - before if self._rank(index) in (None, 0, 1)}
        self.losses = self._forward(ends)
        evidence = twins | {
            index
            for index in self.tainted
            if self.nodes[index].op in _METRIC_OPS
            or not _LOSS_WORDS.isdisjoint(self._scope_words(self.nodes[index].name))
        }
        self.before_evidence = self._backward(evidence)

    def _differentiated(self) -> set[int]:
        """Nodes a gradient was taken of: `gradients/a/b_grad/Mul` tells of `a/b`."""
        found: set[int] = set()
        for index in self.gradients:
            name = self.nodes[index].name
            end = 0
            for match in _GRADIENT_SCOPE.finditer(name):
                end = match.end()
            cut = name.find("_grad/", end)
            # A cap on attempts keeps a name made of "_grad/" alone from costing its square.
            for _ in range(8):
                if cut < 0:
                    break
                position = self.edges.position.get(name[end:cut])
                if position is not None and position not in self.machinery:
                    found.add(position)
                    break
                cut = name.find("_grad/", cut + 1)
        return found

    def _rank(self, index: int) -> int | None:
        shape = self._describe(index, 0).shape
        return None if shape is None else len(shape)

    # -- roles --------------------------------------------------------------------------------

    def _give_roles(self, sources: Sequence[_Source]) -> None:
        model = self._backward(self.model_ops, self.tainted)
        for source in sources:
            self._give_role(source, model)
        data = [source for source in sources if source.role == INPUT]
        self._find_named_labels(data)
        if not any(source.role == INPUT for source in sources):
            # Scalars are all there is: then they are the data.
            for source in sources:
                if source.role == SWITCH and source.index in self.tainted:
                    source.role = INPUT

    def _give_role(self, source: _Source, model: set[int]) -> None:
        users = self._users(source)
        node = self.nodes[source.index]
        last = node.name.rpartition("/")[2]
        in_model = any(user in model for user in users)
        if self._is_switch(source, users, in_model):
            source.role, source.reason, source.score = SWITCH, "a scalar that steers the graph", 3.0
            if not users:
                source.reason, source.score = "a scalar only the training uses", 1.0
        elif in_model:
            source.reason, source.score = "feeds the layers", 10.0
        elif not users:
            source.role, source.reason, source.score = LABEL, "nothing but training uses it", -2.0
        elif any(user in self.before_evidence for user in users) and (
            self.model_ops or not _LABEL_WORDS.isdisjoint(_words(last))
        ):
            source.role, source.reason, source.score = LABEL, "meets only loss or metrics", 0.0
        else:
            source.reason, source.score = "reaches no layer, but a result", 6.0
        if not _is_default_name(last, node.op):
            source.score += 0.5
        if source.role == INPUT and not _LABEL_WORDS.isdisjoint(_words(last)):
            source.score -= 4.0

    def _is_switch(self, source: _Source, users: Sequence[int], in_model: bool) -> bool:
        node = self.nodes[source.index]
        if node.op not in PLACEHOLDER_OPS:
            return False
        info = self._describe(source.index, 0)
        dtype = str(info.dtype) if info.dtype is not None else ""
        if info.shape or dtype in ("string", "resource", "variant"):
            return False
        if info.shape == () or dtype == "bool":
            return True
        last = node.name.rpartition("/")[2]
        if _SWITCH_NAME.search(last):
            return True
        # keep_prob under another name: tf.nn.dropout alone takes it.
        return (
            bool(users)
            and in_model
            and all("dropout" in self.nodes[user].name.lower() for user in users)
        )

    def _find_named_labels(self, data: Sequence[_Source]) -> None:
        """Labels that meet a weight all the same: of a sampled loss, of class centres."""
        named = [
            source
            for source in data
            if not _LABEL_WORDS.isdisjoint(_words(self.nodes[source.index].name.rpartition("/")[2]))
        ]
        if not named or len(named) == len(data) or not self.trains:
            return
        labels = self._forward(user for source in named for user in self._users(source))
        consumers = self.edges.consumers
        ends = {
            index
            for index in labels - self.losses
            if self.nodes[index].op not in _METRIC_OPS
            and all(user in self.machinery for user in consumers[index])
            and not any(user in self.gradients or user in self.updates for user in consumers[index])
            and _LOSS_WORDS.isdisjoint(self._scope_words(self.nodes[index].name))
        }
        to_ends = self._backward(ends, labels)
        for source in named:
            if not any(user in to_ends for user in self._users(source)):
                source.role, source.score = LABEL, 0.0
                source.reason = "named like a label and ends in the loss"

    # -- outputs ------------------------------------------------------------------------------

    def _find_outputs(self, sources: Sequence[_Source]) -> list[Candidate]:
        from_labels = self._forward(
            user for source in sources if source.role == LABEL for user in self._users(source)
        )
        starts = [
            user for source in sources if source.role == INPUT for user in self._users(source)
        ]
        region = self._forward(starts, self.machinery | from_labels | self.losses)
        if not region:
            # Nothing is fed: results of the variables alone.
            region = self._forward(self.variables, self.machinery | from_labels | self.losses)
            region -= self._passed_on(self.variables)
        region -= {source.index for source in sources}
        region -= self.weights
        self.from_labels = from_labels
        layers = self.model_ops & region
        # With the layers themselves in front, what is left behind them is the tail.
        before = {producer for index in layers for producer in self.edges.producers[index]}
        before = self._backward(before, region) & region
        behind = self._forward(layers, self.machinery | from_labels | self.losses)
        tail = region - before
        named = {
            index
            for index in before & behind
            if self._is_named_result(index) or self._is_compared(index)
        }
        self._find_ends(tail)
        scored: list[tuple[float, int, str]] = []
        for index in tail | named:
            score, reason = self._score_output(index, layers, behind, tail)
            if index in named and self._leaves_generator(index):
                score += 5.0
            elif index in named and not self._is_compared(index):
                score -= 3.0
            if score > 0.0:
                scored.append((score, index, reason))
        # Type and shape take longer to find, and only make a score smaller: for the best alone.
        scored.sort(key=lambda item: (-item[0], -item[1]))
        scored = [
            (score - self._score_type(index), index, reason)
            for score, index, reason in scored[:_MOST_TYPED]
        ]
        scored.sort(key=lambda item: (-item[0], -item[1]))
        return self._choose_outputs([item for item in scored if item[0] > 0.0], region, tail)

    def _score_type(self, index: int) -> float:
        """What a scalar or a truth value loses: seldom what a model is for."""
        info = self._describe(index, 0)
        unlikely = 3.0 if info.shape == () else 0.0
        if info.dtype is not None and info.dtype.base.name in ("bool", "resource", "variant"):
            unlikely += 2.0
        return unlikely

    def _find_ends(self, tail: set[int]) -> None:
        """Ends of the tail, and what leads to them: the rest serves loss and metrics alone."""
        measured = self.from_labels | self.losses
        self.ends: set[int] = set()
        for index in tail:
            consumers = self.edges.consumers[index]
            users = [user for user in consumers if user not in self.machinery]
            users = [user for user in users if self.nodes[user].op not in _BARRIERS]
            if users:
                is_end = any(user not in tail and user not in measured for user in users)
            else:
                trained = any(user in self.gradients or user in self.updates for user in consumers)
                is_end = not (trained and self._is_loss_like(index))
            if is_end:
                self.ends.add(index)
        self.to_ends = walk(self.ends, [self.edges.producers], tail.__contains__)

    def _is_loss_like(self, index: int) -> bool:
        return not _LOSS_WORDS.isdisjoint(_words(self.nodes[index].name))

    def _choose_outputs(
        self, scored: Sequence[tuple[float, int, str]], region: set[int], tail: set[int]
    ) -> list[Candidate]:
        covered: set[int] = set()
        chosen: list[tuple[float, int, int, Candidate]] = []
        proposed = alternatives = 0
        for score, index, reason in scored[:MOST_CANDIDATES]:
            fits = score >= max(3.0, scored[0][0] / 2) or not proposed
            fits = fits and (index not in covered or self._is_marked(index))
            role = OUTPUT if fits and proposed < _MOST_OUTPUTS else ALTERNATIVE
            if role == ALTERNATIVE and alternatives >= _MOST_ALTERNATIVES:
                continue
            if role == ALTERNATIVE:
                alternatives += 1
            else:
                proposed += 1
                if index not in tail:
                    covered |= walk([index], [self.edges.consumers], region.__contains__) & region
                covered |= walk([index], [self.edges.consumers], tail.__contains__) & tail
                covered |= walk([index], [self.edges.producers], tail.__contains__) & tail
            for output in self._outputs_of(index):
                item = self._candidate(index, output, role, reason, score)
                chosen.append((-score, index, output, item))
        # Chosen from the end of the graph backwards; shown in file order where scores are equal.
        chosen.sort(key=lambda entry: entry[:3])
        return [entry[3] for entry in chosen]

    def _is_marked(self, index: int) -> bool:
        """An Identity somebody made to give a name to an end, or to what the loss compares."""
        return (index in self.ends and self._is_name_giver(index)) or self._is_compared(index)

    def _is_compared(self, index: int) -> bool:
        """Such an Identity that meets the labels."""
        return self._is_name_giver(index) and any(
            user in self.from_labels for user in self.edges.consumers[index]
        )

    def _is_name_giver(self, index: int) -> bool:
        node = self.nodes[index]
        return node.op in ("Identity", "IdentityN") and not _is_default_name(
            node.name.rpartition("/")[2], node.op
        )

    def _outputs_of(self, index: int) -> list[int]:
        node = self.nodes[index]
        if _FIRST_OUTPUT_ONLY.match(node.op):
            return [0]
        dtypes = output_dtypes(self.graph, node)
        if dtypes is None or len(dtypes) < 2:
            return [0]
        used: set[int] = set()
        for user in set(self.edges.consumers[index]) & self.to_ends:
            pairs = zip(self.edges.producers[user], self.edges.outputs[user], strict=True)
            used.update(output for producer, output in pairs if producer == index)
        return [output for output in range(min(len(dtypes), 16)) if output not in used] or [0]

    def _score_output(
        self, index: int, layers: set[int], behind: set[int], tail: set[int]
    ) -> tuple[float, str]:
        node = self.nodes[index]
        last = node.name.rpartition("/")[2]
        score, reasons = self._op_score(index, layers), []
        others = [
            user
            for user in self.edges.consumers[index]
            if user not in self.machinery and self.nodes[user].op not in _BARRIERS
        ]
        if not others:
            score += 3.0
            reasons.append("an end of the graph")
        elif index not in self.to_ends and index in tail:
            score += 2.0
            reasons.append("only loss and metrics use it")
        if layers and index not in behind:
            score -= 2.0
            reasons.append("passes no layer")
        if index in self.from_gradients:
            score -= 4.0
            reasons.append("depends on gradients")
        named, word = self._name_score(node, last)
        score += named
        if word:
            reasons.append(word)
        elif index in layers:
            reasons.append("the last layer")
        if self._is_compared(index):
            score += 3.5
            reasons.append("compared with labels")
        if node.op in _METRIC_OPS:
            score -= 2.0
        if self._ends_in_comparison(index, others):
            # More than any name gives: below what it was taken from.
            score -= 5.0
        return score, ", ".join(reasons) or f"{node.op} behind the last layer"

    def _ends_in_comparison(self, index: int, users: Sequence[int]) -> bool:
        """An ArgMax (or a cast or rounding) made only to be compared with labels."""
        return (
            self.nodes[index].op in ("ArgMax", "Cast", "Round", "TopKV2", "Rint")
            and bool(users)
            and all(self.nodes[user].op in _METRIC_OPS for user in users)
        )

    def _op_score(self, index: int, layers: set[int]) -> float:
        extra = 0.0
        for _ in range(10):
            op = self.nodes[index].op
            if index in layers:
                return 2.0 + extra
            if op not in _PASSES_SCORE or not self.edges.producers[index]:
                break
            index = self.edges.producers[index][0]
            extra = 0.1
        return _ACTIVATIONS.get(op, _OP_SCORES.get(op, 0.5)) + extra

    def _name_score(self, node: Node, last: str) -> tuple[float, str]:
        scope = self._scope_words(node.name)
        words = _words(last)
        score, reason = 0.0, ""
        default = _is_default_name(last, node.op)
        if not _LOSS_WORDS.isdisjoint(words):
            score -= 8.0
        in_loss = not _LOSS_WORDS.isdisjoint(scope)
        if in_loss:
            score -= 3.0
        best = max((_OUTPUT_WORDS.get(word, 0.0) for word in words), default=0.0)
        if best and not default:
            score += best
            reason = f"named {last!r}" if len(last) <= 60 else "named like a result"
        elif not default:
            score += 1.5
        if not in_loss and any(word in _OUTPUT_WORDS for word in scope):
            score += 1.0
        return score, reason

    def _is_named_result(self, index: int) -> bool:
        node = self.nodes[index]
        last = node.name.rpartition("/")[2]
        if node.op in _BARRIERS or _OP_SCORES.get(node.op, 0.0) < -4:
            return False
        words = _words(last)
        if not _is_default_name(last, node.op) and any(word in _OUTPUT_WORDS for word in words):
            return True
        return self._leaves_generator(index)

    def _leaves_generator(self, index: int) -> bool:
        """The result of a scope `generator`, which a discriminator consumes."""
        top = self.nodes[index].name.partition("/")[0]
        if "generator" not in _words(top):
            return False
        users = [user for user in self.edges.consumers[index] if user not in self.machinery]
        return all(self.nodes[user].name.partition("/")[0] != top for user in users)

    def _scope_words(self, name: str) -> frozenset[str]:
        scope = name.rpartition("/")[0][-400:]
        words = self._words_of_scope.get(scope)
        if words is None:
            found: set[str] = set()
            for part in scope.split("/"):
                found.update(_words(part))
            words = self._words_of_scope[scope] = frozenset(found)
        return words

    # -- inputs -------------------------------------------------------------------------------

    def _rank_inputs(
        self, sources: Sequence[_Source], outputs: Sequence[Candidate]
    ) -> list[Candidate]:
        proposed = [item.name for item in outputs if item.role == OUTPUT]
        needed = self.edges.ancestors(self.edges.indices(proposed), stop=self.machinery)
        order = {INPUT: 0, SWITCH: 1, LABEL: 2}
        ranked: list[tuple[int, float, int, int]] = []
        for number, source in enumerate(sources):
            users = self._users(source)
            waiting = self.edges.control_consumers[source.index]
            source.connected = not needed.isdisjoint(users) or not needed.isdisjoint(waiting)
            source.score += 5.0 if source.connected else 0.0
            ranked.append((order[source.role], -source.score, source.index, number))
        ranked.sort()
        return [
            self._candidate(
                source.index,
                source.output,
                source.role,
                source.reason,
                source.score,
                source.connected,
            )
            for source in (sources[entry[3]] for entry in ranked[:MOST_CANDIDATES])
        ]

    # -- tensors ------------------------------------------------------------------------------

    def _describe(self, index: int, output: int) -> TensorInfo:
        node = self.nodes[index]
        name = f"{node.name}:{output}"
        if not node.name or ":" in node.name or "^" in node.name:
            # No tensor can be asked for by such a name: damaged, but not ours to refuse.
            return TensorInfo(name, None, None)
        if not self._has_source_nearby(index):
            return TensorInfo(name, output_dtype(self.graph, node, output), None)
        try:
            return self.graph.tensor(name)
        except NameNotFoundError:
            # An output the op has not.
            return TensorInfo(name, None, None)

    def _has_source_nearby(self, index: int) -> bool:
        """Whether a shape is found soon: each search may follow a chain through the graph.

        All searches share a budget, for a graph that is made of such chains.
        """
        for _ in range(_LONGEST_SEARCH):
            producers = self.edges.producers[index]
            if not producers or "_output_shapes" in self.nodes[index].attrs:
                return True
            index = producers[0]
            self.budget -= 1
            if self.budget < 0:
                break
        return False

    def _candidate(
        self, index: int, output: int, role: str, reason: str, score: float, connected: bool = True
    ) -> Candidate:
        info = self._describe(index, output)
        op = self.nodes[index].op
        return Candidate(info.name, info.dtype, info.shape, op, role, reason, score, connected)


_BOOKKEEPING = re.compile(
    r"(\A|/)(global_step|beta[12]_power|save_counter|iterations?|learning_rate|lr|decay|epoch|"
    r"current_epoch)(_\d+)?\Z"
)


def _is_bookkeeping(name: str) -> bool:
    return _BOOKKEEPING.search(name[-200:]) is not None


def _is_weight_constant(node: Node) -> bool:
    if node.op != "Const":
        return False
    value = node.attrs.get("value")
    shape = getattr(value, "shape", None)
    dtype = getattr(value, "dtype", None)
    if not isinstance(shape, tuple) or not isinstance(dtype, DType):
        return False
    # Two floats are as likely a size or a range; layers have larger kernels or a bias of some.
    return str(dtype) in ("float32", "float16", "bfloat16", "float64", "quint8", "qint8") and (
        len(shape) >= 1 and prod(shape) >= 2
    )


def _with_signatures(source: MetaGraph, found: Candidates) -> Candidates:
    """Tensors of signatures first: somebody who knew the graph has chosen them."""
    inputs: dict[str, Candidate] = {}
    outputs: dict[str, Candidate] = {}
    for key, signature in source.signatures.items():
        if key == INIT_OP_SIGNATURE:
            continue
        for side, infos, role in (
            (inputs, signature.inputs, INPUT),
            (outputs, signature.outputs, OUTPUT),
        ):
            for name, info in infos.items():
                for tensor in info.tensor_names:
                    reason = f"{name!r} of signature {key!r}"
                    item = _of_signature(source.graph, tensor, info, role, reason)
                    side.setdefault(item.name, item)
    if not inputs and not outputs:
        return found
    return Candidates(
        _ahead(inputs, found.inputs, bool(inputs)), _ahead(outputs, found.outputs, bool(outputs))
    )


def _of_signature(graph: Graph, tensor: str, info: TensorInfo, role: str, reason: str) -> Candidate:
    node = parse_input(tensor).node
    op, known = "", TensorInfo(tensor, None, None)
    if node in graph:
        op = graph[node].op
        try:
            known = graph.tensor(tensor)
        except NameNotFoundError:
            # The node is there, that output is not: shown as the signature says.
            known = TensorInfo(tensor, None, None)
    single = info.encoding == "name"
    dtype = info.dtype if single and info.dtype is not None else known.dtype
    shape = info.shape if single and info.shape is not None else known.shape
    return Candidate(known.name, dtype, shape, op, role, reason, 100.0)


def _ahead(
    named: dict[str, Candidate], guessed: Sequence[Candidate], demote: bool
) -> tuple[Candidate, ...]:
    rest: list[Candidate] = []
    for item in guessed:
        if item.name in named:
            continue
        if demote and item.role == OUTPUT:
            rest.append(_changed(item, ALTERNATIVE, item.connected))
        elif demote and item.role == INPUT:
            rest.append(_changed(item, INPUT, False))
        else:
            rest.append(item)
    # A signature has no order (it is a map): keep the guess's.
    place = {item.name: number for number, item in enumerate(guessed)}
    ordered = sorted(named.values(), key=lambda item: place.get(item.name, len(place)))
    return (*ordered, *rest)


def _changed(item: Candidate, role: str, connected: bool) -> Candidate:
    return Candidate(
        item.name, item.dtype, item.shape, item.op, role, item.reason, item.score, connected
    )
