"""Hypothesis strategies for what the formats hold: names, tensors, slices, encoded messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tfartifacts.dtypes import STRING, DType, all_dtypes
from tfartifacts.formats import schema
from tfartifacts.formats.slices import Extents
from tfartifacts.formats.tensor_data import ArrayTensor, object_array
from tfartifacts.formats.wire import put_always, put_bytes, varint
from tfartifacts.model.variables import Extent, Variable, VariableSlice

# A busy machine is no failure.
settings.register_profile(
    "tests", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("tests")

Shape = tuple[int, ...]
Message = Any  # a protobuf message: the classes are made at run time

FIXED_DTYPES = tuple(dtype for dtype in all_dtypes() if dtype.itemsize is not None)
STORABLE_DTYPES = (*FIXED_DTYPES, STRING)

# Variable names: any text protobuf takes, but for the NUL that slice keys begin with.
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
byte_strings = st.one_of(st.binary(max_size=8), st.just(b"x" * 128))


# ---------------------------------------------------------------- values


def array_of(dtype: DType, shape: Shape, data: bytes) -> Any:
    """The array whose elements are these bytes, made to fit: bool is 0 or 1, int4 has 4 bits."""
    raw: Any = np.frombuffer(data, np.uint8)
    if dtype.name == "bool":
        raw = raw & 1
    elif dtype.bits is not None and dtype.bits < 8:
        raw = raw & ((1 << dtype.bits) - 1)
    return np.frombuffer(raw.tobytes(), dtype.to_numpy()).reshape(shape)


@st.composite
def arrays(draw: st.DrawFn, dtype: DType, shape: Shape) -> Any:
    """Any bit pattern, NaN of every kind among them; strings as an object array of bytes."""
    num_elements = prod(shape)
    if dtype.itemsize is None:
        elements = draw(st.lists(byte_strings, min_size=num_elements, max_size=num_elements))
        return object_array(elements, shape)
    size = num_elements * dtype.itemsize
    return array_of(dtype, shape, draw(st.binary(min_size=size, max_size=size)))


@st.composite
def tensors(draw: st.DrawFn, dtypes: Sequence[DType] = STORABLE_DTYPES) -> ArrayTensor:
    dtype = draw(st.sampled_from(dtypes))
    shape = draw(shapes)
    return ArrayTensor(dtype, shape, draw(arrays(dtype, shape)))


@st.composite
def grids(draw: st.DrawFn, shape: Shape) -> list[Extents]:
    """Slices that tile a shape: cut along some axes, in any order."""
    cuts: list[list[Extent]] = []
    for size in shape:
        inner = draw(st.sets(st.integers(1, size - 1), max_size=2)) if size > 1 else set()
        edges = [0, *sorted(inner), size]
        whole = len(edges) == 2 and draw(st.booleans())
        cuts.append([Extent()] if whole else [Extent(a, b - a) for a, b in pairwise(edges)])
    tiles: list[Extents] = [()]
    for axis in cuts:
        tiles = [(*tile, extent) for tile in tiles for extent in axis]
    return draw(st.permutations(tiles))


def place_of(extents: Extents, shape: Shape) -> tuple[slice, ...]:
    """A slice as NumPy indexes it."""
    bounds = (extent.bounds(size) for extent, size in zip(extents, shape, strict=True))
    return tuple(slice(*pair) for pair in bounds)


def partitioned(name: str, value: ArrayTensor, tiles: Sequence[Extents]) -> Variable:
    """A variable in memory, stored in these slices."""
    parts = []
    for extents in tiles:
        array = value.array[place_of(extents, value.shape)]
        parts.append(VariableSlice(extents, ArrayTensor(value.dtype, array.shape, array)))
    return Variable(name, value.dtype, value.shape, None, tuple(parts))


@st.composite
def variables(draw: st.DrawFn, dtypes: Sequence[DType] = STORABLE_DTYPES) -> dict[str, Variable]:
    """Variables by name, in file order (by the bytes of the name); some in slices."""
    made = {}
    for name in sorted(draw(st.sets(names, max_size=5)), key=str.encode):
        value = draw(tensors(dtypes))
        tiles = draw(grids(value.shape)) if value.shape and 0 not in value.shape else []
        if len(tiles) > 1:
            made[name] = partitioned(name, value, tiles)
        else:
            made[name] = Variable(name, value.dtype, value.shape, value)
    return made


# ---------------------------------------------------------------- tables

# Keys that share beginnings and end in ff, where separators are hard.
keys = st.one_of(
    st.binary(max_size=6),
    st.lists(st.sampled_from([b"a", b"b", b"\x00", b"\xfe", b"\xff", b"net/"]), max_size=6).map(
        b"".join
    ),
)
table_entries = st.dictionaries(keys, st.binary(max_size=40), max_size=60).map(
    lambda entries: sorted(entries.items())
)


# ---------------------------------------------------------------- wire format


@st.composite
def raw_fields(draw: st.DrawFn, numbers: Sequence[int] = range(1, 20)) -> bytes:
    """One encoded field of any number and type, a group among them."""
    number = draw(st.sampled_from(numbers))
    match draw(st.sampled_from(["varint", "fixed64", "bytes", "group", "fixed32"])):
        case "varint":
            return put_always(number, draw(st.integers(0, 2**64 - 1)))
        case "fixed64":
            return varint(number << 3 | 1) + draw(st.binary(min_size=8, max_size=8))
        case "bytes":
            return put_bytes(number, draw(st.binary(max_size=6)))
        case "group":
            inner = draw(st.sampled_from([b"", put_always(1, 5), put_bytes(2, b"\x0c")]))
            return varint(number << 3 | 3) + inner + varint(number << 3 | 4)
    return varint(number << 3 | 5) + draw(st.binary(min_size=4, max_size=4))


# ---------------------------------------------------------------- messages of protobuf

texts = st.text(st.characters(codec="utf-8"), max_size=5)
some_names = st.sampled_from(["a", "b", "w", "net/w", "save/Const", "x:0", "^a"])
floats32 = st.floats(width=32)
int64s = st.integers(-(2**63), 2**63 - 1)
dtype_numbers = st.sampled_from([0, 1, 3, 7, 9, 14, 20, 23, 29, 101])


def new_message(kind: str, /, **fields: Any) -> Message:
    return schema.message_class(kind)(**fields)


def _filled(name: str, filling: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Message]:
    """Messages with any part of these fields set; a map's values are messages."""

    def fill(values: dict[str, Any]) -> Message:
        message = new_message(name)
        for field, value in values.items():
            if isinstance(value, dict):
                for key, item in value.items():
                    getattr(message, field)[key].CopyFrom(item)
            elif isinstance(value, list):
                getattr(message, field).extend(value)
            elif hasattr(value, "SerializeToString"):
                getattr(message, field).CopyFrom(value)
            else:
                setattr(message, field, value)
        return message

    return st.fixed_dictionaries({}, optional=dict(filling)).map(fill)


def _one_of(name: str, members: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Message]:
    """Messages with one of these fields set, or none."""
    chosen = [_filled(name, {field: values}) for field, values in members.items()]
    return st.one_of(*chosen)


def _maps(values: st.SearchStrategy[Message]) -> st.SearchStrategy[dict[str, Message]]:
    return st.dictionaries(st.sampled_from(["T", "dtype", "_class", "value"]), values, max_size=3)


shape_protos = st.one_of(
    st.just(("unknown", [])),
    st.tuples(st.just("known"), st.lists(st.integers(-1, 9), max_size=3)),
).map(
    lambda made: new_message(
        "TensorShapeProto",
        unknown_rank=made[0] == "unknown",
        dim=[new_message("TensorShapeProto.Dim", size=size) for size in made[1]],
    )
)
tensor_protos = st.builds(
    lambda values: new_message(
        "TensorProto",
        dtype=1,
        tensor_shape=new_message(
            "TensorShapeProto", dim=[new_message("TensorShapeProto.Dim", size=len(values))]
        ),
        float_val=values,
    ),
    st.lists(floats32, max_size=3),
)
lists = _one_of(
    "AttrValue.ListValue",
    {
        "s": st.lists(st.binary(max_size=3), max_size=3),
        "i": st.lists(int64s, max_size=3),
        "f": st.lists(floats32, max_size=3),
        "b": st.lists(st.booleans(), max_size=3),
        "type": st.lists(dtype_numbers, max_size=3),
        "shape": st.lists(shape_protos, max_size=2),
        "tensor": st.lists(tensor_protos, max_size=2),
        "func": st.lists(_filled("NameAttrList", {"name": texts}), max_size=2),
    },
)


def _attr_values(functions: st.SearchStrategy[Message] | None = None) -> Any:
    members: dict[str, st.SearchStrategy[Any]] = {
        "s": st.binary(max_size=4),
        "i": int64s,
        "f": floats32,
        "b": st.booleans(),
        "type": dtype_numbers,
        "shape": shape_protos,
        "tensor": tensor_protos,
        "placeholder": texts,
        "list": lists,
    }
    if functions is not None:
        members["func"] = functions
    return _one_of("AttrValue", members)


attr_values = _attr_values(_filled("NameAttrList", {"name": texts, "attr": _maps(_attr_values())}))
versions = _filled(
    "VersionDef",
    {
        "producer": st.integers(-(2**31), 2**31 - 1),
        "min_consumer": st.integers(0, 2**31 - 1),
        "bad_consumers": st.lists(st.integers(0, 2**31 - 1), max_size=3),
    },
)


nodes = st.builds(
    lambda node, name, op: _with(node, name=name, op=op),
    _filled(
        "NodeDef",
        {
            "input": st.lists(some_names, max_size=3),
            "device": texts,
            "attr": _maps(attr_values),
            "experimental_debug_info": _filled(
                "NodeDef.ExperimentalDebugInfo", {"original_node_names": st.lists(texts)}
            ),
        },
    ),
    some_names,
    st.sampled_from(["Const", "Add", "RestoreV2"]),
)


def _with(message: Message, **fields: Any) -> Message:
    for field, value in fields.items():
        setattr(message, field, value)
    return message


arguments = _filled(
    "OpDef.ArgDef",
    {
        "name": texts,
        "type": dtype_numbers,
        "type_attr": texts,
        "number_attr": texts,
        "type_list_attr": texts,
        "is_ref": st.booleans(),
        "description": texts,
    },
)
op_defs = _filled(
    "OpDef",
    {
        "name": some_names,
        "input_arg": st.lists(arguments, max_size=2),
        "output_arg": st.lists(arguments, max_size=2),
        "is_stateful": st.booleans(),
        "summary": texts,
    },
)


def _function(name: str, body: Sequence[Message], returns: Mapping[str, str]) -> Message:
    signature = new_message("OpDef", name=name, output_arg=[new_message("OpDef.ArgDef", name="o")])
    function = new_message("FunctionDef", signature=signature, node_def=body)
    function.ret.update(returns)
    return function


libraries = st.builds(
    lambda bodies, gradients: new_message(
        "FunctionDefLibrary",
        function=[_function(name, *body) for name, body in bodies.items()],
        gradient=gradients,
    ),
    st.dictionaries(
        st.sampled_from(["f", "g", "__inference_1"]),
        st.tuples(st.lists(nodes, max_size=2), st.dictionaries(some_names, texts, max_size=2)),
        max_size=2,
    ),
    st.lists(_filled("GradientDef", {"function_name": texts, "gradient_func": texts}), max_size=1),
)
graphs = _filled(
    "GraphDef",
    {
        "node": st.lists(nodes, max_size=3),
        "library": libraries,
        "version": st.integers(1, 30),
        "versions": versions,
    },
)
tensor_infos = st.deferred(
    lambda: st.builds(
        _with_encoding,
        _filled("TensorInfo", {"dtype": dtype_numbers, "tensor_shape": shape_protos}),
        st.one_of(
            st.none(),
            st.tuples(st.just("name"), some_names),
            st.tuples(
                st.just("coo_sparse"),
                _filled(
                    "TensorInfo.CooSparse",
                    {
                        "values_tensor_name": some_names,
                        "indices_tensor_name": some_names,
                        "dense_shape_tensor_name": some_names,
                    },
                ),
            ),
            st.tuples(
                st.just("composite_tensor"),
                _filled(
                    "TensorInfo.CompositeTensor",
                    {
                        "type_spec": _filled("TypeSpecProto", {"type_spec_class_name": texts}),
                        "components": st.lists(
                            _filled("TensorInfo", {"name": some_names, "dtype": dtype_numbers}),
                            max_size=2,
                        ),
                    },
                ),
            ),
        ),
    )
)


def _with_encoding(message: Message, encoding: tuple[str, Any] | None) -> Message:
    if encoding is not None:
        field, value = encoding
        if isinstance(value, str):
            setattr(message, field, value)
        else:
            getattr(message, field).CopyFrom(value)
    return message


signatures = _filled(
    "SignatureDef",
    {
        "inputs": _maps(tensor_infos),
        "outputs": _maps(tensor_infos),
        "method_name": texts,
        "defaults": _maps(tensor_protos),
    },
)


def _values_of(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Message]:
    return _filled(f"CollectionDef.{name}", {"value": st.lists(values, max_size=3)})


collections = _one_of(
    "CollectionDef",
    {
        "node_list": _values_of("NodeList", texts),
        "bytes_list": _values_of("BytesList", st.binary(max_size=4)),
        "int64_list": _values_of("Int64List", int64s),
        "float_list": _values_of("FloatList", floats32),
        "any_list": _values_of(
            "AnyList",
            st.builds(lambda url: new_message("google.protobuf.Any", type_url=url), texts),
        ),
    },
)
meta_graphs = _filled(
    "MetaGraphDef",
    {
        "meta_info_def": _filled(
            "MetaGraphDef.MetaInfoDef",
            {
                "meta_graph_version": texts,
                "stripped_op_list": _filled("OpList", {"op": st.lists(op_defs, max_size=2)}),
                "tags": st.lists(texts, max_size=2),
                "tensorflow_version": texts,
                "tensorflow_git_version": texts,
                "stripped_default_attrs": st.booleans(),
            },
        ),
        "graph_def": graphs,
        "saver_def": _filled(
            "SaverDef",
            {
                "filename_tensor_name": texts,
                "save_tensor_name": texts,
                "restore_op_name": texts,
                "max_to_keep": st.integers(-1, 9),
                "sharded": st.booleans(),
                "keep_checkpoint_every_n_hours": floats32,
                "version": st.integers(0, 2),
            },
        ),
        "collection_def": _maps(collections),
        "signature_def": _maps(signatures),
        "asset_file_def": st.lists(
            _filled(
                "AssetFileDef",
                {
                    "tensor_info": _filled("TensorInfo", {"name": some_names}),
                    "filename": texts,
                },
            ),
            max_size=2,
        ),
        "object_graph_def": _filled(
            "SavedObjectGraph",
            {"nodes": st.lists(_filled("SavedObject", {"registered_name": texts}), max_size=2)},
        ),
    },
)


variable_defs = _filled(
    "VariableDef",
    {
        "variable_name": texts,
        "initial_value_name": texts,
        "initializer_name": texts,
        "snapshot_name": texts,
        "is_resource": st.booleans(),
        "trainable": st.booleans(),
        "synchronization": st.integers(0, 3),
        "aggregation": st.integers(0, 3),
        "save_slice_info_def": _filled(
            "SaveSliceInfoDef",
            {"full_name": texts, "full_shape": st.lists(int64s, max_size=2)},
        ),
    },
)


@st.composite
def encodings(draw: st.DrawFn, messages: st.SearchStrategy[Message], unknown: int) -> bytes:
    """One or two such messages one after the other, which parsers merge, and unknown fields.

    `unknown` is the least number of a field that no message here has.
    """
    numbers = range(unknown, unknown + 5)
    parts = [
        message.SerializeToString() for message in draw(st.lists(messages, min_size=1, max_size=2))
    ]
    for _ in range(draw(st.integers(0, 1))):
        parts.insert(draw(st.integers(0, len(parts))), draw(raw_fields(numbers)))
    return b"".join(parts)
