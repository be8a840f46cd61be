"""Signatures of ops and functions.

    OpList: 1 op*
    OpDef : 1 name  2 input_arg*  3 output_arg*  ...
    ArgDef: 1 name  3 type  4 type_attr  5 number_attr  6 type_list_attr  16 is_ref

Source: tensorflow/core/framework/op_def.proto.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from tfartifacts.dtypes import dtype_from_number
from tfartifacts.errors import located
from tfartifacts.formats.wire import Message, Span, put_bytes
from tfartifacts.model.graphs import Argument, OpDef


class EncodedOpDefs(Mapping[str, OpDef]):
    """The op signatures of a meta graph by name; decoded when asked for."""

    __slots__ = ("_index", "_message", "_path")

    def __init__(self, message: Message, path: str | None = None) -> None:
        self._message = message
        self._path = path
        self._index: dict[str, Span] | None = None

    def only(self, names: Collection[str]) -> EncodedOpDefs:
        """The signatures of these ops; the others are left out."""
        spans = {name: span for name, span in self._spans().items() if name in names}
        buffer = self._message.buffer
        pieces = [put_bytes(1, memoryview(buffer)[start:end]) for start, end in spans.values()]
        return EncodedOpDefs(Message(b"".join(pieces)), self._path)

    def _spans(self) -> dict[str, Span]:
        if self._index is None:
            buffer = self._message.buffer
            spans = self._message.spans(1)
            with located(self._path):
                self._index = {Message(buffer, *span).text(1): span for span in spans}
        return self._index

    def __getitem__(self, name: str) -> OpDef:
        span = self._spans()[name]
        with located(self._path):
            return read_op_def(Message(self._message.buffer, *span))

    def __contains__(self, name: object) -> bool:
        return name in self._spans()

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans())

    def __len__(self) -> int:
        return len(self._spans())

    def encoded(self) -> bytes:
        return self._message.encoded()


def read_op_def(message: Message) -> OpDef:
    return OpDef(
        message.text(1),
        tuple(_read_argument(argument) for argument in message.messages(2)),
        tuple(_read_argument(argument) for argument in message.messages(3)),
    )


def _read_argument(message: Message) -> Argument:
    number = message.integer(3)
    return Argument(
        message.text(1),
        dtype_from_number(number) if number else None,
        message.text(4),
        message.text(5),
        message.text(6),
        message.flag(16),
    )
