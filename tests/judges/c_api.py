"""TensorFlow's C API through ctypes: the C++ loader of SavedModels, which TensorFlow Serving uses.

It restores with the assets fed and runs the init op, all in C++; Python's loaders share nothing
with it but the ops. The library is the one in the wheel:

    2.x  : tensorflow/libtensorflow_cc.so.2
    1.15 : tensorflow_core/python/_pywrap_tensorflow_internal.so

A string tensor's data, for n elements:

    2.x  : TF_TString[n]   24 bytes each, filled and read by functions of the library
    1.15 : offset:u64[n] (length:varint bytes)*   offsets from the end of the offsets

Source: tensorflow/c/c_api.h, tf_tensor.h, tf_tensor.cc of 1.15. Runs in Python 3.7 and later.
"""

# TensorFlow has no types that mypy finds.
# mypy: disable-error-code="import-untyped, import-not-found"

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.python.framework import errors_impl

# 2.x has the second too, without these functions.
_LIBRARIES = ("libtensorflow_cc.so.2", "python/_pywrap_tensorflow_internal.so")
_TSTRING_SIZE = 24
_STRING = 7  # TF_STRING


class Output(ctypes.Structure):
    """TF_Output: an op and which of its outputs."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class Buffer(ctypes.Structure):
    """TF_Buffer."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    )


def _library() -> Any:
    """The wheel's library, which `import tensorflow` has loaded already."""
    paths = [os.path.join(tf.sysconfig.get_lib(), name) for name in _LIBRARIES]
    library = ctypes.CDLL(next(path for path in paths if os.path.exists(path)))
    for name in (
        "TF_NewStatus TF_NewGraph TF_NewSessionOptions TF_NewBuffer TF_AllocateTensor "
        "TF_TensorData TF_GraphOperationByName TF_LoadSessionFromSavedModel "
        "TF_StringGetDataPointer"
    ).split():
        if hasattr(library, name):
            getattr(library, name).restype = ctypes.c_void_p
    for name in ("TF_TensorByteSize", "TF_StringGetSize"):
        if hasattr(library, name):
            getattr(library, name).restype = ctypes.c_size_t
    library.TF_Dim.restype = ctypes.c_int64
    library.TF_Message.restype = ctypes.c_char_p
    return library


LIBRARY = _library()
HAS_TSTRING = hasattr(LIBRARY, "TF_StringInit")


def pointer(address: int | None) -> ctypes.c_void_p:
    """An address as an argument: ctypes would pass a bare integer as 32 bits."""
    return ctypes.c_void_p(address)


class Status:
    """A TF_Status; `check` raises what it says as Python's TensorFlow does."""

    def __init__(self) -> None:
        self.pointer = pointer(LIBRARY.TF_NewStatus())

    def check(self) -> None:
        code = LIBRARY.TF_GetCode(self.pointer)
        if code:
            text = LIBRARY.TF_Message(self.pointer).decode("utf-8", "replace")
            raise errors_impl.exception_type_from_error_code(code)(None, None, text)


class Session:
    """A SavedModel in a session, as TF_LoadSessionFromSavedModel leaves it."""

    def __init__(self, directory: str, tags: Sequence[str]) -> None:
        self._status = Status()
        self._graph = pointer(LIBRARY.TF_NewGraph())
        options = pointer(LIBRARY.TF_NewSessionOptions())
        buffer = LIBRARY.TF_NewBuffer()
        self._session = pointer(
            LIBRARY.TF_LoadSessionFromSavedModel(
                options,
                None,
                os.fsencode(directory),
                (ctypes.c_char_p * len(tags))(*(tag.encode() for tag in tags)),
                len(tags),
                self._graph,
                pointer(buffer),
                self._status.pointer,
            )
        )
        LIBRARY.TF_DeleteSessionOptions(options)
        content = ctypes.cast(buffer, ctypes.POINTER(Buffer)).contents
        message = ctypes.string_at(content.data, content.length) if content.data else b""
        LIBRARY.TF_DeleteBuffer(pointer(buffer))
        try:
            self._status.check()
        except Exception:
            LIBRARY.TF_DeleteGraph(self._graph)
            raise
        self.meta_graph = meta_graph_pb2.MetaGraphDef.FromString(message)

    def close(self) -> None:
        """Give back what the session holds."""
        LIBRARY.TF_CloseSession(self._session, self._status.pointer)
        LIBRARY.TF_DeleteSession(self._session, self._status.pointer)
        LIBRARY.TF_DeleteGraph(self._graph)
        LIBRARY.TF_DeleteStatus(self._status.pointer)

    def run(self, fetches: Mapping[str, str], feeds: Mapping[str, Any]) -> dict[str, Any]:
        """The values of `fetches` (key -> tensor name); feeds by tensor name."""
        values = (ctypes.c_void_p * len(fetches))()
        with contextlib.ExitStack() as stack:
            given = [stack.enter_context(tensor_of(np.asarray(value))) for value in feeds.values()]
            LIBRARY.TF_SessionRun(
                self._session,
                None,
                self._outputs(feeds),
                (ctypes.c_void_p * len(given))(*given),
                len(given),
                self._outputs(fetches.values()),
                values,
                len(fetches),
                None,
                0,
                None,
                self._status.pointer,
            )
        self._status.check()
        arrays = {key: array_of(value) for key, value in zip(fetches, values)}  # noqa: B905 - 3.7
        for value in values:
            LIBRARY.TF_DeleteTensor(pointer(value))
        return arrays

    def _outputs(self, names: Any) -> Any:
        outputs = (Output * len(names))()
        for output, name in zip(outputs, names):  # noqa: B905 - Python 3.7 has no `strict`
            node, _, index = name.partition(":")
            output.operation = LIBRARY.TF_GraphOperationByName(self._graph, node.encode())
            output.index = int(index or 0)
            if not output.operation:
                raise KeyError(name)
        return outputs


@contextlib.contextmanager
def tensor_of(array: Any) -> Iterator[int]:
    """The address of a TF_Tensor with an array's values, while it is needed."""
    dtype = _STRING if array.dtype.kind in "OSU" else tf.as_dtype(array.dtype).as_datatype_enum
    strings = [bytes(item) for item in array.reshape(-1).tolist()] if dtype == _STRING else []
    if dtype != _STRING:
        data = array.tobytes()
    elif HAS_TSTRING:
        data = bytes(_TSTRING_SIZE * len(strings))
    else:
        data = encoded_strings(strings)
    dims = (ctypes.c_int64 * array.ndim)(*array.shape)
    length = ctypes.c_size_t(len(data))
    tensor = LIBRARY.TF_AllocateTensor(dtype, dims, array.ndim, length)
    start = LIBRARY.TF_TensorData(pointer(tensor))
    ctypes.memmove(pointer(start), data, len(data))
    elements = range(start, start + len(data), _TSTRING_SIZE) if HAS_TSTRING and strings else ()
    for element, value in zip(elements, strings):  # noqa: B905 - Python 3.7 has no `strict`
        LIBRARY.TF_StringInit(pointer(element))
        LIBRARY.TF_StringCopy(pointer(element), value, ctypes.c_size_t(len(value)))
    try:
        yield tensor
    finally:
        for element in elements:
            LIBRARY.TF_StringDealloc(pointer(element))
        LIBRARY.TF_DeleteTensor(pointer(tensor))


def encoded_strings(strings: Sequence[bytes]) -> bytes:
    """The data of a string tensor of 1.15."""
    offsets, encoded = b"", b""
    for value in strings:
        offsets += struct.pack("<Q", len(encoded))
        length = len(value)
        while length >= 0x80:
            encoded += bytes([length & 0x7F | 0x80])
            length >>= 7
        encoded += bytes([length]) + value
    return offsets + encoded


def decoded_strings(data: bytes, num_elements: int) -> list[bytes]:
    """The elements in the data of a string tensor of 1.15."""
    strings = []
    for offset in struct.unpack_from(f"<{num_elements}Q", data):
        position = 8 * num_elements + offset
        length = shift = 0
        while True:
            byte = data[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        strings.append(data[position : position + length])
    return strings


def array_of(tensor: int) -> Any:
    """The values of a TF_Tensor."""
    handle = pointer(tensor)
    shape = [LIBRARY.TF_Dim(handle, axis) for axis in range(LIBRARY.TF_NumDims(handle))]
    dtype = LIBRARY.TF_TensorType(handle)
    start = LIBRARY.TF_TensorData(handle)
    size = LIBRARY.TF_TensorByteSize(handle)
    data = ctypes.string_at(start, size) if size else b""
    if dtype != _STRING:
        flat = np.frombuffer(data, dtype=tf.as_dtype(dtype).as_numpy_dtype)
        return flat.reshape(shape).copy()
    num_elements = int(np.prod(shape))
    if HAS_TSTRING:
        strings = [
            ctypes.string_at(
                LIBRARY.TF_StringGetDataPointer(pointer(element)),
                LIBRARY.TF_StringGetSize(pointer(element)),
            )
            for element in range(start, start + num_elements * _TSTRING_SIZE, _TSTRING_SIZE)
        ]
    else:
        strings = decoded_strings(data, num_elements)
    array = np.empty(num_elements, dtype=object)
    array[:] = strings
    return array.reshape(shape)
