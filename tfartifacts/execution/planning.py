"""What is to be compared of a source and its result, decided without TensorFlow.

Whatever can be refused is refused here: before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from tfartifacts.convert import SavedModelOptions
from tfartifacts.errors import ConversionError, name_not_found
from tfartifacts.execution.examples import example, features_of, is_single
from tfartifacts.execution.feeds import with_pixels
from tfartifacts.execution.generating import UNKNOWN_SIZE, generated, generated_sparse, parts
from tfartifacts.execution.loading import Loading
from tfartifacts.execution.requests import (
    complete,
    fetched,
    graph_of,
    refuse_uninitialized,
    unfed,
    value_of,
)
from tfartifacts.execution.sources import loading_of
from tfartifacts.graphs.placeholders import set_placeholders
from tfartifacts.model import (
    Artifact,
    Checkpoint,
    Graph,
    MetaGraph,
    SavedModel,
    Signature,
    TensorInfo,
)
from tfartifacts.model.saved_models import INIT_OP_SIGNATURE
from tfartifacts.records import dataclass, field, replace

Generate = Callable[[TensorInfo, int], Any]


@dataclass(frozen=True)
class Call:
    """A signature as it is compared: what is fed, by tensor, and each output's key and tensor.

    `fixed` is fed to the source alone: the result has constants there.
    """

    feeds: Mapping[str, Any]
    fixed: Mapping[str, Any]
    outputs: tuple[tuple[str, str], ...]
    infos: Mapping[str, TensorInfo] = field(repr=False, default_factory=dict)

    def given(self) -> dict[str, Any]:
        """The feeds, their pictures decoded by TensorFlow."""
        return {name: with_pixels(feed, self.infos[name]) for name, feed in self.feeds.items()}


@dataclass(frozen=True)
class Plan:
    """The source, how it is loaded, and the calls by signature.

    `made_up` are the keys of inputs for which nobody gave a value.
    """

    source: Artifact
    loading: Loading
    calls: Mapping[str, Call]
    made_up: tuple[str, ...] = ()


def plan(
    source: Artifact,
    result: Artifact,
    feeds: Mapping[str, Any] | None = None,
    *,
    options: SavedModelOptions | None = None,
    tags: Iterable[str] | None = None,
    signatures: Mapping[str, Signature] | None = None,
) -> Plan:
    """What to compare of a source and its result, which need not be written yet.

    The signatures are those of the SavedModel among the two, or those given; its tensors have the
    same names in the other. `feeds` maps their keys, or tensors, to arrays, or to texts as
    read_feed takes them; what is missing is made up from types and shapes. `options` are those
    the result was made with, `tags` choose the source's meta graph.

    Raises ConversionError for what cannot be compared, or not without a further feed, and
    NameNotFoundError, with close names, for a feed of nothing.
    """
    options = options or SavedModelOptions()
    tags = None if tags is None or not isinstance(source, SavedModel) else tuple(tags)
    graph = _graph_of_result(result)
    original = options.meta_graph or graph_of(source, tags)
    signatures = _callable(signatures) or _signatures(result) or _signatures(source, tags)
    if not signatures:
        raise ConversionError("found no signature to compare by, expected one in the SavedModel")
    planner = _Planner(
        graph,
        original,
        feeds or {},
        _fixed(original, options),
        # A checkpoint's are the source's own: nobody who made it can be asked to do better.
        completes=isinstance(result, SavedModel | Graph),
    )
    calls = {name: planner.call(name, signature) for name, signature in signatures.items()}
    for key in planner.given:
        if key not in planner.used:
            known = {key for item in signatures.values() for key in item.inputs}
            raise name_not_found("input", key, known)
    for call in calls.values():
        outputs = [tensor for _, tensor in call.outputs]
        refuse_uninitialized(source, outputs, [*call.feeds, *call.fixed])
    loading = loading_of(source, result, options, tags)
    return Plan(source, loading, calls, tuple(dict.fromkeys(planner.made_up)))


def _graph_of_result(result: Artifact) -> MetaGraph | Graph:
    if isinstance(result, Checkpoint) and result.meta_graph is None:
        raise ConversionError(
            "found a result without a graph (.meta), which computes nothing that could be "
            "compared, expected one: write it too (--with-meta), or leave --check out"
        )
    return graph_of(result)


def _signatures(artifact: Artifact, tags: Iterable[str] | None = None) -> dict[str, Signature]:
    return (
        _callable(artifact.meta_graph(tags).signatures) if isinstance(artifact, SavedModel) else {}
    )


def _callable(signatures: Mapping[str, Signature] | None) -> dict[str, Signature]:
    return {key: value for key, value in (signatures or {}).items() if key != INIT_OP_SIGNATURE}


def _fixed(original: MetaGraph | Graph, options: SavedModelOptions) -> dict[str, Any]:
    """What the source's placeholders are fed that the result has as constants."""
    changed = set_placeholders(original.graph, options.placeholders)
    names = {original.graph.tensor(name).name for name in options.placeholders}
    return {name: changed[name.partition(":")[0]].attrs["value"].read() for name in names}


class _Planner:
    """Calls of one conversion; it keeps which feeds were used, and what was made up.

    `completes`: what signatures leave out is to be given, not made up.
    """

    def __init__(
        self,
        graph: MetaGraph | Graph,
        original: MetaGraph | Graph,
        given: Mapping[str, Any],
        fixed: Mapping[str, Any],
        *,
        completes: bool,
    ) -> None:
        self.graph = graph
        self.original = original
        self.given = given
        self.fixed = fixed
        self.completes = completes
        self.used: set[str] = set()
        self.made_up: list[str] = []

    def call(self, name: str, signature: Signature) -> Call:
        """The call of a signature."""
        # Those of 2016 name tensors without an output, and without a type.
        inputs = {key: self._complete(info) for key, info in signature.inputs.items()}
        outputs = tuple(
            (key if len(names) == 1 else f"{key}.{number}", tensor)
            for key, info in signature.outputs.items()
            for names in (fetched([self._complete(info)]),)
            for number, tensor in enumerate(names)
        )
        tensors = [tensor for _, tensor in outputs]
        infos = {
            part.name: self._narrowed(part) for info in inputs.values() for part in parts(info)
        }
        others = {info.name: self._narrowed(info) for info in unfed(self.graph, infos, tensors)}
        values = self._values({**infos, **others}, inputs)
        for key in inputs:
            if key in self.given:
                values[key] = self.given[key]
                self.used.add(key)
        narrow = {key: infos.get(info.name, info) for key, info in inputs.items()}
        feeds = feed_for(replace(signature, inputs=narrow), values, self.made_up, self._generated)
        missing = [info for info in others.values() if info.name not in values]
        if missing and self.completes:
            raise _incomplete(name, missing)
        for position, info in enumerate(others.values()):
            if info.name in values:
                feeds[info.name] = value_of(values[info.name], info)
            else:
                feeds[info.name] = _neutral(info, len(feeds) + position)
                self.made_up.append(info.name)
        return Call(feeds, self.fixed, outputs, {**infos, **others})

    def _complete(self, info: TensorInfo) -> TensorInfo:
        return complete(self.graph, info) if info.encoding == "name" else info

    def _values(self, tensors: Iterable[str], keys: Collection[str]) -> dict[str, Any]:
        """What is given by the name of a tensor, or of its node, unless that is a key."""
        found = {}
        for tensor in tensors:
            for name in (tensor, tensor.partition(":")[0]):
                if name in self.given and name not in keys:
                    found[tensor] = self.given[name]
                    self.used.add(name)
        return found

    def _narrowed(self, info: TensorInfo) -> TensorInfo:
        """The input with the sizes that the source's tensor has, where the result's are open."""
        if info.name.partition(":")[0] not in self.original.graph:
            raise ConversionError(
                f"found {info.name}, which the source's graph does not have, expected a tensor "
                "that both have (an input cut out of a node's output 1 or higher has a name of its "
                "own); leave --check out"
            )
        there = self.original.graph.tensor(info.name).shape
        if there is None or info.shape is None:
            return replace(info, shape=info.shape if there is None else there)
        if len(there) != len(info.shape) or any(
            None not in (one, other) and one != other
            for one, other in zip(there, info.shape, strict=True)
        ):
            raise ConversionError(
                f"found {info}, expected the shape that the source takes, to compare the two: "
                f"{replace(info, shape=there)}; leave --check out"
            )
        both = zip(there, info.shape, strict=True)
        return replace(info, shape=tuple(one if other is None else other for one, other in both))

    def _generated(self, info: TensorInfo, seed: int) -> Any:
        features = None
        if info.dtype is not None and info.dtype.name == "string":
            features = features_of(self.graph.graph, info.name)
        if features is None:
            return generated(info, seed)
        import numpy as np

        shape = info.shape
        if shape is None:
            shape = () if is_single(self.graph.graph, info.name) else (None,)
        array = np.empty(tuple(UNKNOWN_SIZE if size is None else size for size in shape), object)
        flat = array.reshape(-1)
        for number in range(flat.size):
            flat[number] = example(features, number)
        return array


def _incomplete(name: str, missing: Iterable[TensorInfo]) -> ConversionError:
    return ConversionError(
        f"found signature {name!r}, which also needs what is not among its inputs, expected a "
        "value",
        details=tuple(
            f"{info}: --feed {info.name}=VALUE, or fix it: --set "
            f"{info.name.partition(':')[0]}=VALUE"
            for info in missing
        ),
    )


def _neutral(info: TensorInfo, seed: int) -> Any:
    """A value made up for what is no input of a signature: a switch is off."""
    value = generated(info, seed)
    return value & False if info.dtype is not None and info.dtype.name == "bool" else value


def feed_for(
    signature: Signature,
    given: Mapping[str, Any],
    made_up: list[str] | None = None,
    generate: Generate = generated,
) -> dict[str, Any]:
    """A value for each input tensor: the given one, by key or tensor name, or one made up.

    The keys of those that were are added to `made_up`. Raises ConversionError where one does not
    fit, or cannot be made up.
    """
    feeds: dict[str, Any] = {}
    for position, (key, info) in enumerate(signature.inputs.items()):
        tensors = {part.name: part for part in parts(info)}
        known = {name: given[name] for name in tensors if name in given}
        if info.encoding == "name" and key in given:
            known = {info.name: given[key]}
        feeds.update({name: value_of(value, tensors[name]) for name, value in known.items()})
        if len(known) == len(tensors):
            continue
        if info.encoding == "composite" or known:
            missing = ", ".join(str(part) for part in tensors.values() if part.name not in known)
            raise ConversionError(
                f"found the {info.encoding} input {key!r}, for which no value can be made up, "
                f"expected one for each part: --feed TENSOR=VALUE for {missing}"
            )
        if info.sparse is not None:
            feeds.update(generated_sparse(info, position))
        else:
            feeds[info.name] = generate(info, position)
        if made_up is not None:
            made_up.append(key)
    return feeds
