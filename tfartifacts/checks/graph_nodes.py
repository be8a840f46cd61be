"""What single nodes of a graph say that TensorFlow would not take, or that is worth knowing."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any

from tfartifacts.checks.faults import Faults
from tfartifacts.checks.graph_body import Body
from tfartifacts.checks.op_signatures import is_known
from tfartifacts.errors import FormatError, TfArtifactsError, UnsupportedError
from tfartifacts.formats.tensor_proto import EncodedTensor
from tfartifacts.graphs.compatibility import VERSIONS
from tfartifacts.model import Graph, Node
from tfartifacts.records import dataclass, field

# A constant is a bomb when it claims so many bytes, and so many times what is stored.
_LARGE = 1 << 26
_MUCH_LARGER = 1000
_MOST_OPS = 20
_LOCATION = b"loc:@"
_DEVICE = re.compile(r"(/?[A-Za-z_]+:[^/]+|/)*", re.ASCII)
_ACCELERATOR = re.compile(r"(?:^|[/:])(gpu|tpu)\b", re.ASCII | re.IGNORECASE)


@dataclass(slots=True)
class NodeCheck:
    """Checks nodes of one graph and its functions."""

    graph: Graph
    unknown: dict[str, list[Any]] = field(default_factory=dict)

    def check(self, body: Body, node: Node) -> None:
        """What the node alone tells; faults go to the body's."""
        try:
            self._check_op(body, node)
            self._check_device(body, node)
            if node.op == "Const":
                self._check_constant(body, node)
            if body.arguments is None and "_class" in node.attrs:
                self._check_location(body, node, body.position)
        except UnsupportedError as error:
            body.faults.note(
                "unknown-attribute",
                f"{body.where}found an attribute of node {node.name!r} that is not known here: "
                f"{error.message}",
                node.name,
            )
        except TfArtifactsError as error:
            body.fault(
                "attribute",
                f"found attributes of node {node.name!r} that cannot be read: {error.message}",
                node.name,
            )

    def _check_op(self, body: Body, node: Node) -> None:
        if is_known(node.op) or node.op in self.graph.functions:
            return
        if node.op.startswith(("__inference_", "__forward_", "__backward_")):
            body.fault(
                "missing-function",
                f"found node {node.name!r} that calls {node.op!r}, expected that function in the "
                "library",
                node.op,
            )
            return
        known = self.unknown.setdefault(node.op, [0, repr(node.name)])
        known[0] += 1

    def tell_unknown_ops(self, faults: Faults) -> None:
        """One note that names the ops no TensorFlow has, however many nodes they are of."""
        if not self.unknown:
            return
        ops = list(self.unknown.items())
        shown = [f"{op!r} ({count:,}, such as {first})" for op, (count, first) in ops[:_MOST_OPS]]
        more = f" and {len(ops) - _MOST_OPS:,} more" if len(ops) > _MOST_OPS else ""
        faults.note(
            "unknown-op",
            f"found {len(ops):,} {'op' if len(ops) == 1 else 'ops'} that no TensorFlow from "
            f"{VERSIONS[0]} to {VERSIONS[-1]} has: {', '.join(shown)}{more}; custom, or of another "
            "version: load what brings them first",
            ops[0][0],
        )

    def _check_device(self, body: Body, node: Node) -> None:
        if not node.device:
            return
        if _DEVICE.fullmatch(node.device) is None:
            body.fault(
                "device-name",
                f"found node {node.name!r} on device {node.device!r}, expected such as "
                "'/device:CPU:0'",
                node.name,
            )
        elif _ACCELERATOR.search(node.device):
            body.faults.note(
                "placed-on-device",
                f"{body.where}found node {node.name!r} on {node.device!r}: a machine without it "
                "needs soft placement, or the devices cleared",
                node.name,
            )

    def _check_location(self, body: Body, node: Node, there: Container[str]) -> None:
        listed = node.attrs["_class"]
        for item in listed if isinstance(listed, list) else ():
            if not isinstance(item, bytes) or not item.startswith(_LOCATION):
                continue
            name = item[len(_LOCATION) :].decode("utf-8", "surrogateescape")
            if name not in there:
                body.fault(
                    "missing-colocation",
                    f"found node {node.name!r} colocated with {name!r}, expected a node of that "
                    "name",
                    node.name,
                )

    # ------------------------------------------------------------------ constants

    def _check_constant(self, body: Body, node: Node) -> None:
        value = node.attrs.get("value")
        if not isinstance(value, EncodedTensor):
            if value is None:
                body.fault("constant", f"found constant {node.name!r} without a value", node.name)
            return
        try:
            shape = value.partial_shape
        except FormatError as error:
            body.fault("constant", f"constant {node.name!r}: {error.message}", node.name)
            return
        if shape is None:
            return  # its shape is then that of its values
        number = value.dtype_number
        dtype = node.attrs.get("dtype")
        if not number:
            body.fault("constant", f"found a value of no type in constant {node.name!r}", node.name)
            return
        if dtype is not None and getattr(dtype, "number", number) != number:
            body.fault(
                "constant",
                f"found a value of {value.dtype} in constant {node.name!r}, expected {dtype}",
                node.name,
            )
            return
        if None in shape:
            body.fault(
                "constant",
                f"found an unknown size in the shape of constant {node.name!r}, expected a number",
                node.name,
            )
            return
        self._check_elements(body, node, value)

    def _check_elements(self, body: Body, node: Node, value: EncodedTensor) -> None:
        counted = value.count()
        if counted.declared >= 1 << 63:
            body.fault(
                "constant",
                f"found {counted.declared} elements in constant {node.name!r}, expected less than "
                "2^63",
                node.name,
            )
        elif counted.content_size is not None:
            if counted.content_size != counted.expected_size:
                body.fault(
                    "constant",
                    f"found {counted.content_size} bytes in constant {node.name!r}, expected "
                    f"{counted.expected_size} for its {counted.declared} elements",
                    node.name,
                )
        elif counted.stored > max(counted.declared, 1):
            body.faults.warning(
                "constant-values",
                f"{body.where}found {counted.stored} values in constant {node.name!r}, expected "
                f"{counted.declared}: the others are not read",
                node.name,
            )
        elif counted.expected_size > max(_LARGE, _MUCH_LARGER * len(value.encoded)):
            body.faults.note(
                "large-constant",
                f"{body.where}found constant {node.name!r} of {counted.expected_size:,} bytes, "
                f"{len(value.encoded):,} of which are stored: running it takes that much memory",
                node.name,
            )
