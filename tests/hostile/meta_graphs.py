"""Hostile graphs: `.meta` files, binary and text, and signatures."""

# ruff: noqa: E501  # a case is a line

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.hostile.bundles import FLOAT32, INT32, STRING, shape_of
from tests.hostile.case import Case, Read, Refused, refused
from tests.hostile.graphs import (
    END,
    GOOD_GRAPH,
    GOOD_META,
    INFO,
    SERVING,
    START,
    TYPE,
    T,
    attr,
    collection,
    constant,
    cut_length,
    deep_call,
    function,
    library,
    meta_graph,
    nested,
    node,
    node_list,
    signature,
    signature_entry,
    tensor_info,
)
from tfartifacts.formats.wire import put_always, put_bytes, put_integer, put_text

READ = Read(None)
Row = tuple[str, str, Callable[[], bytes], Refused | Read]


def _calls(number: int, *targets: Callable[[int], int]) -> bytes:
    """Functions f0, f1, ... each of which calls others."""
    return library(
        *(
            function(f"f{i}", *(node(f"n{j}", f"f{target(i)}") for j, target in enumerate(targets)))
            for i in range(number)
        )
    )


def _versions(producer: int, consumer: int = 0) -> bytes:
    return put_bytes(4, put_integer(1, producer) + put_integer(2, consumer))


def _float(values: int) -> bytes:
    return put_bytes(5, bytes(4 * values))


NODES: tuple[Row, ...] = (
    ("good", "a graph with nothing wrong", lambda: GOOD_GRAPH, Read({"x": "Placeholder", "y": "Identity"})),
    ("no-inputs", "an input that is nowhere", lambda: START + node("y", "Identity", "nowhere", attrs=T), READ),
    ("no-output", "an output that its node does not have", lambda: START + node("y", "Identity", "x:7", attrs=T), READ),
    ("output-2^64", "an output number beyond 64 bits", lambda: START + node("y", "Identity", "x:99999999999999999999", attrs=T), READ),
    ("output-negative", "an output number below 0", lambda: START + node("y", "Identity", "x:-1", attrs=T), READ),
    ("inputs-of-signs", "inputs of ':', '^' and nothing", lambda: START + node("y", "AddN", "", ":", "^", "::", "^^x", attrs=T), READ),
    ("control-first", "a control input before a data input", lambda: START + node("y", "Identity", "^x", "x", attrs=T), READ),
    ("feeds-itself", "a node that feeds itself", lambda: START + node("y", "Add", "x", "y", attrs=T), READ),
    ("circle", "1,000 nodes in a circle", lambda: b"".join(node(f"n{i}", "Identity", f"n{(i + 1) % 1000}", attrs=T) for i in range(1000)), READ),
    ("exit-without-enter", "a loop that ends and never began", lambda: START + node("y", "Exit", "x", attrs=T), READ),
    ("merge-of-itself", "a merge of nothing but itself", lambda: node("y", "Merge", "y", "y", attrs=T + attr("N", put_always(3, 2))), READ),
    ("name-twice", "two nodes of one name", lambda: START + START + END, READ),
    ("name-empty", "a node without a name", lambda: node("", "NoOp"), refused("without a name")),
    ("name-escape", "a node whose name clears the screen", lambda: node("\x1b[2J", "NoOp"), READ),
    ("name-dots", "a node whose name leads out", lambda: node("../../x", "NoOp"), READ),
    ("name-not-utf-8", "a node whose name is not UTF-8", lambda: node(b"\xff", "NoOp"), refused("not UTF-8")),
    ("op-unknown", "an op there is not", lambda: START + node("y", "EvilOp", "x"), READ),
    ("op-empty", "a node without an op", lambda: node("y", ""), refused("of no kind known", "NotThisFormatError")),
    ("op-not-utf-8", "an op that is not UTF-8", lambda: node("y", b"\xff\xfe"), refused("of no kind known", "NotThisFormatError")),
    ("attr-key-not-utf-8", "an attribute whose key is not UTF-8", lambda: node("y", "NoOp", attrs=put_bytes(5, put_bytes(1, b"\xff") + put_bytes(2, b""))), refused("expected UTF-8")),
    ("attr-twice", "an attribute twice: the last counts", lambda: node("x", "Placeholder", attrs=attr("dtype", put_always(6, INT32)) + TYPE), Read({"x": "Placeholder"})),
    ("attr-other-kind", "attributes of other kinds than their op has", lambda: node("x", "Placeholder", attrs=attr("dtype", put_bytes(2, b"?")) + attr("shape", put_always(3, 1))), READ),
    ("attr-unknown-type", "a data type there is not", lambda: node("x", "Placeholder", attrs=attr("dtype", put_always(6, 9999))), refused("data type number 9999")),
    ("num_split-2^62", "a node of 2^62 outputs", lambda: START + constant("d", (), put_bytes(7, b"\0"), INT32) + node("y", "Split", "d", "x", attrs=attr("num_split", put_always(3, 2**62)) + T), READ),
    ("num_split-negative", "a node of -5 outputs", lambda: START + constant("d", (), put_bytes(7, b"\0"), INT32) + node("y", "Split", "d", "x", attrs=attr("num_split", put_always(3, -5)) + T), READ),
    ("100,000-inputs", "a node of 100,000 inputs", lambda: START + node("y", "AddN", *["x"] * 100_000, attrs=T + attr("N", put_always(3, 100_000))), READ),
    ("chain-100,000", "a chain of 100,000 nodes", lambda: START + b"".join(node(f"n{i}", "Identity", f"n{i - 1}" if i else "x", attrs=T) for i in range(100_000)), READ),
    ("device-of-garbage", "a device of garbage", lambda: put_bytes(1, put_text(1, "x") + put_text(2, "NoOp") + put_text(4, "/evil:\x1b[2J")), READ),
    ("colocated-in-a-circle", "two nodes that are placed where the other is", lambda: b"".join(node(a, "NoOp", attrs=attr("_class", put_bytes(1, put_bytes(2, f"loc:@{b}".encode())))) for a, b in (("a", "b"), ("b", "a"))), READ),
    ("shape-negative", "a placeholder of -5 elements", lambda: node("x", "Placeholder", attrs=TYPE + attr("shape", put_bytes(7, shape_of(-5)))), refused("dimension of -5")),
    ("shape-2^124", "a placeholder of 2^62 x 2^62 elements", lambda: node("x", "Placeholder", attrs=TYPE + attr("shape", put_bytes(7, shape_of(2**62, 2**62)))), READ),
    ("shape-300-dimensions", "a placeholder of 300 dimensions", lambda: node("x", "Placeholder", attrs=TYPE + attr("shape", put_bytes(7, shape_of(*[1] * 300)))), refused("300 dimensions")),
    ("producer-huge", "a graph from the future", lambda: GOOD_GRAPH + _versions(2**31 - 1), READ),
    ("min-consumer-huge", "a graph for readers of the future", lambda: GOOD_GRAPH + _versions(27, 2**31 - 1), READ),
    ("versions-negative", "a graph of version -1", lambda: GOOD_GRAPH + _versions(-1), READ),
)  # fmt: skip

CONSTANTS: tuple[Row, ...] = (
    ("splat-2^40", "a constant of 2^40 elements, all the same", lambda: START + constant("c", (2**40,), _float(1)), READ),
    ("splat-2^40-fed-on", "the same, added to another", lambda: START + constant("c", (2**40,), _float(1)) + node("y", "Add", "x", "c", attrs=T), READ),
    ("splat-2^62-of-none", "a constant of 2^62 elements, none of them given", lambda: START + constant("c", (2**62,), b""), READ),
    ("splat-2^40-of-two", "a constant of 2^40 elements, two of them given", lambda: START + constant("c", (2**40,), _float(2)), READ),
    ("splat-2^40-strings", "a constant of 2^40 strings, all the same", lambda: START + constant("c", (2**40,), put_bytes(8, b"s"), STRING), READ),
    ("strings-2^31", "a constant of 2^31 strings, none of them given", lambda: START + constant("c", (2**31,), b"", STRING), READ),
    ("content-too-short", "a constant of 2^40 elements in 4 bytes", lambda: START + constant("c", (2**40,), put_bytes(4, bytes(4))), READ),
    ("content-too-long", "a constant of one element in 4,000 bytes", lambda: START + constant("c", (1,), put_bytes(4, bytes(4000))), READ),
    ("too-many-values", "a thousand values for one element", lambda: START + constant("c", (1,), _float(1000)), READ),
    ("product-2^64", "a constant of 2^32 x 2^32 elements", lambda: START + constant("c", (2**32, 2**32), _float(1)), READ),
    ("negative", "a constant of -5 elements", lambda: START + constant("c", (-5,), b""), READ),
    ("300-dimensions", "a constant of 300 dimensions", lambda: START + constant("c", (1,) * 300, b""), READ),
    ("65-dimensions", "a constant of 65 dimensions", lambda: START + constant("c", (1,) * 65, b""), READ),
    ("type-99", "a constant of a type there is not", lambda: START + constant("c", (1,), b"", 99), refused("data type number 99")),
    ("type-0", "a constant of no type", lambda: START + constant("c", (1,), b"", 0), READ),
    ("resource", "a constant of resources", lambda: START + constant("c", (1,), put_bytes(14, put_text(1, "/evil")), 20), READ),
    ("variant", "a constant of variants", lambda: START + constant("c", (1,), put_bytes(15, put_text(1, "evil::T")), 21), READ),
    ("no-value", "a constant without a value", lambda: START + node("c", "Const", attrs=TYPE), READ),
    ("value-of-another-type", "a constant whose value has another type", lambda: START + node("c", "Const", attrs=TYPE + attr("value", put_bytes(8, put_integer(1, INT32) + put_bytes(7, b"\1")))), READ),
    ("tensor-of-garbage", "a constant of garbage", lambda: START + node("c", "Const", attrs=TYPE + attr("value", put_bytes(8, b"\xff\xff\xff"))), READ),
    ("list-of-100,000-types", "an attribute of 100,000 types", lambda: START + node("y", "NoOp", attrs=attr("types", put_bytes(1, put_bytes(6, b"\1" * 100_000)))), READ),
    ("packed-cut", "packed numbers cut within one", lambda: START + constant("c", (1,), put_bytes(7, b"\xff"), INT32), READ),
)  # fmt: skip

FUNCTIONS: tuple[Row, ...] = (
    ("calls-itself", "a function that calls itself", lambda: node("y", "f0") + _calls(1, lambda i: i), READ),
    ("call-each-other", "two functions that call each other", lambda: node("y", "f0") + _calls(2, lambda i: 1 - i), READ),
    ("1,000-in-a-circle", "1,000 functions that call each other in a circle", lambda: node("y", "f0") + _calls(1000, lambda i: (i + 1) % 1000), READ),
    ("double-at-each-call", "200 functions, each of which calls the next twice: 2^200 calls", lambda: node("y", "f0") + _calls(200, lambda i: i + 1, lambda i: i + 1), READ),
    ("twice", "one function twice", lambda: START + library(function("f", node("a", "NoOp")), function("f", node("b", "NoOp"))), READ),
    ("named-as-an-op", "a function that is named as an op", lambda: GOOD_GRAPH + library(function("Identity", node("a", "NoOp"))), READ),
    ("without-a-name", "a function without a name", lambda: START + library(function("", node("a", "NoOp"))), refused("without a name")),
    ("missing", "a call of a function there is not", lambda: START + node("y", "PartitionedCall", "x", attrs=attr("f", put_bytes(10, put_text(1, "gone")))), READ),
    ("gradient-in-a-circle", "a function that is its own gradient", lambda: START + put_bytes(2, put_bytes(1, put_bytes(1, put_text(1, "f"))) + put_bytes(2, put_text(1, "f") + put_text(2, "f"))), READ),
    ("of-garbage", "a library of garbage", lambda: START + put_bytes(2, b"\xff\xff\xff"), refused("")),
    ("attributes-40-deep", "a function's attributes nested 40 deep", lambda: START + node("y", "NoOp", attrs=attr("f", nested(40, deep_call))), refused("nested more than 100 deep")),
    ("attributes-5,000-deep", "a function's attributes nested 5,000 deep", lambda: START + node("y", "NoOp", attrs=attr("f", nested(5000, deep_call))), refused("nested more than 100 deep")),
)  # fmt: skip


PARTS = (("node", NODES), ("constant", CONSTANTS), ("function", FUNCTIONS))


def _graphs() -> Iterator[Case]:
    for part, rows in PARTS:
        for name, what, content, expected in rows:

            def write(folder: Path, content: Callable[[], bytes] = content) -> None:
                (folder / "m.meta").write_bytes(meta_graph(content()))

            seconds = 20.0 if "100,000" in name else 1.0
            yield Case(
                "graph",
                f"{part}-{name}",
                what,
                write,
                expected,
                "m.meta",
                "meta",
                seconds=seconds,
                memory=(1000 if name == "chain-100,000" else 200) << 20,
            )


FROZEN = (
    "node-good", "node-no-inputs", "node-circle", "node-name-twice", "node-op-unknown",
    "node-attr-key-not-utf-8", "node-100,000-inputs", "constant-splat-2^40", "constant-negative",
    "constant-no-value", "function-calls-itself", "function-attributes-5,000-deep",
)  # fmt: skip


def _frozen() -> Iterator[Case]:
    """Some of the graphs as the only message of a file."""
    rows = [(f"{part}-{row[0]}", *row[1:]) for part, part_rows in PARTS for row in part_rows]
    for name, what, content, expected in rows:
        if name in FROZEN:

            def write(folder: Path, content: Callable[[], bytes] = content) -> None:
                (folder / "m.pb").write_bytes(content())

            yield Case("frozen", name, what, write, expected, "m.pb", "graph", seconds=4.0)


MESSAGES: tuple[Row, ...] = (
    ("empty", "a file of no bytes", lambda: b"", refused("an empty file", "NotThisFormatError")),
    ("garbage", "a file of garbage", lambda: b"\xff\xfe\xfd garbage", refused("")),
    ("cut", "a graph cut in the middle", lambda: GOOD_META[: len(GOOD_META) // 2], refused("")),
    ("length-2^31", "a graph that is said to have 2 GiB", lambda: put_bytes(1, INFO) + cut_length(2, 2**31, GOOD_GRAPH), refused("")),
    ("length-2^63", "a graph that is said to have 2^63 bytes", lambda: put_bytes(1, INFO) + cut_length(2, 2**63, GOOD_GRAPH), refused("")),
    ("length-2^64-1", "a graph that is said to have 2^64-1 bytes", lambda: put_bytes(1, INFO) + cut_length(2, 2**64 - 1, GOOD_GRAPH), refused("")),
    ("groups-100,000-deep", "100,000 groups that do not end", lambda: GOOD_META + b"\x4b" * 100_000, refused("nested more than 100")),
    ("unknown-5,000-deep", "an unknown message nested 5,000 deep", lambda: GOOD_META + put_bytes(99, nested(5000, lambda inner: put_bytes(1, inner))), Read({"x": "Placeholder", "y": "Identity"})),
    ("graph-twice", "two graphs, which become one", lambda: meta_graph(START, put_bytes(2, END)), Read({"x": "Placeholder", "y": "Identity"})),
    ("no-graph", "no graph", lambda: put_bytes(1, INFO) + SERVING, Read({})),
    ("no-info", "no meta info", lambda: put_bytes(2, GOOD_GRAPH), refused("")),
    ("info-not-utf-8", "a version that is not UTF-8", lambda: meta_graph(info=put_bytes(5, b"\xff")), refused("expected UTF-8")),
    ("info-escape", "a version that clears the screen", lambda: meta_graph(info=put_text(5, "\x1b[2J")), Read({"x": "Placeholder", "y": "Identity"})),
    ("saver-of-nothing", "a saver of nodes there are not", lambda: meta_graph(further=put_bytes(3, put_text(1, "gone:0") + put_text(2, "gone:0") + put_text(3, "gone") + put_integer(7, 2))), READ),
    ("saver-of-garbage", "a saver of garbage", lambda: meta_graph(further=put_bytes(3, b"\xff\xff\xff")), refused("")),
    ("saver-version-99", "a saver of version 99", lambda: meta_graph(further=put_bytes(3, put_text(1, "x:0") + put_text(2, "y:0") + put_text(3, "y") + put_integer(7, 99))), READ),
    ("collection-of-nothing", "a collection of nodes there are not", lambda: meta_graph(further=collection("train_op", node_list("gone"))), READ),
    ("collection-of-garbage", "variables of garbage", lambda: meta_graph(further=collection("variables", put_bytes(2, put_bytes(1, b"\xff\xff\xff")))), READ),
    ("collection-of-other-kind", "variables that are numbers", lambda: meta_graph(further=collection("variables", put_bytes(3, put_bytes(1, b"\1")))), READ),
    ("collection-twice", "a collection twice: the last counts", lambda: meta_graph(further=collection("train_op", node_list("gone")) + collection("train_op", node_list("y"))), READ),
    ("collection-key-not-utf-8", "a collection whose key is not UTF-8", lambda: meta_graph(further=collection(b"\xff", node_list("y"))), refused("expected UTF-8")),
    ("collection-any-of-garbage", "assets of another type", lambda: meta_graph(further=collection("saved_model_assets", put_bytes(5, put_bytes(1, put_text(1, "type.googleapis.com/evil.Type") + put_bytes(2, b"\xff"))))), READ),
    ("variables-in-a-circle", "a while loop whose context is itself", lambda: meta_graph(further=collection("while_context", put_bytes(2, put_bytes(1, put_text(1, "w"))))), READ),
    ("object-graph-of-garbage", "an object graph of garbage", lambda: meta_graph(further=put_bytes(7, b"\xff\xff\xff")), READ),
    ("ops-of-100,000", "100,000 op definitions", lambda: meta_graph(info=INFO + put_bytes(2, put_bytes(1, put_text(1, "Evil")) * 100_000)), READ),
)  # fmt: skip


TEXTS: tuple[Row, ...] = (
    ("messages-50,000-deep", "50,000 messages within each other", lambda: b"meta_info_def { " + b"any_info { " * 50_000, refused("")),
    ("functions-2,000-deep", "2,000 functions' attributes within each other", lambda: b"graph_def { node { name: 'x' op: 'f' attr { key: 'f' value { " + b"func { name: 'g' attr { key: 'f' value { " * 2_000, refused("")),
    ("line-of-10-MB", "a string of 10 MB without an end", lambda: b"graph_def { node { name: '" + b"x" * 10_000_000, refused("")),
    ("brackets", "100,000 open brackets", lambda: b"graph_def { node {" + b"[" * 100_000, refused("")),
    ("nul", "NUL in the text", lambda: b"graph_def { node { name: 'x'\0 op: 'NoOp' } }", refused("")),
    ("nul-in-string", "NUL in a string", lambda: b"graph_def { node { name: 'x\0' op: 'NoOp' } }", READ),
    ("number-of-a-million-digits", "a number of a million digits", lambda: b"graph_def { version: " + b"9" * 1_000_000 + b" }", refused("")),
    ("number-2^64", "a number of 2^64", lambda: b"graph_def { versions { producer: 18446744073709551616 } }", refused("")),
    ("float-1e999999", "a number of 1e999999", lambda: b"saver_def { keep_checkpoint_every_n_hours: 1e999999 }", READ),
    ("enum-unknown", "a data type there is not, by number", lambda: b"graph_def { node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: 9999 } } } }", refused("data type number 9999")),
    ("enum-name-unknown", "a data type there is not, by name", lambda: b"graph_def { node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_EVIL } } } }", refused("")),
    ("escape-2^32", "an escape beyond Unicode", lambda: b"graph_def { node { name: '\\UFFFFFFFF' op: 'NoOp' } }", refused("")),
    ("escape-surrogate", "an escaped surrogate", lambda: b"graph_def { node { name: '\\ud800' op: 'NoOp' } }", refused("")),
    ("any-expanded", "a message of an unknown type spelled out", lambda: b"meta_info_def { any_info { [type.googleapis.com/evil.Type] { a: 1 } } }", refused("")),
    ("not-utf-8", "text that is not UTF-8", lambda: b"graph_def { node { name: '\xff' op: 'NoOp' } }", refused("")),
    ("comments", "2 MB of comments", lambda: b"# x\n" * 500_000 + b"graph_def { node { name: 'x' op: 'NoOp' } }", refused("")),
    ("unterminated", "messages that do not end", lambda: b"graph_def { node { name: 'x' op: 'NoOp' ", refused("")),
)  # fmt: skip


def _texts_and_messages() -> Iterator[Case]:
    for group, rows in (("meta", MESSAGES), ("text", TEXTS)):
        for name, what, content, expected in rows:

            def write(folder: Path, content: Callable[[], bytes] = content) -> None:
                (folder / "m.meta").write_bytes(content())

            yield Case(group, name, what, write, expected, "m.meta", "meta", seconds=4.0)


SIGNATURES: tuple[Row, ...] = (
    ("of-nothing", "a signature of tensors there are not", lambda: signature_entry("s", signature([(b"x", tensor_info("gone:0"))], [(b"y", tensor_info("gone:7"))])), READ),
    ("of-garbage", "a signature of garbage", lambda: put_bytes(5, put_text(1, "s") + put_bytes(2, b"\xff\xff\xff")), refused("")),
    ("twice", "two signatures of one key: the last counts", lambda: signature_entry("s", signature([], [(b"y", tensor_info("gone:0"))])) + signature_entry("s", signature([], [(b"y", tensor_info("y:0"))])), READ),
    ("key-empty", "a signature without a key", lambda: signature_entry("", signature([], [(b"y", tensor_info("y:0"))])), READ),
    ("key-escape", "a signature whose key clears the screen", lambda: signature_entry("\x1b]0;owned\x07", signature([], [(b"y", tensor_info("y:0"))])), READ),
    ("key-not-utf-8", "a signature whose key is not UTF-8", lambda: signature_entry(b"\xff", signature([], [(b"y", tensor_info("y:0"))])), refused("expected UTF-8")),
    ("tensor-not-utf-8", "a tensor whose name is not UTF-8", lambda: signature_entry("s", signature([], [(b"y", tensor_info(b"\xff:0"))])), refused("expected UTF-8")),
    ("type-9999", "a tensor of a type there is not", lambda: signature_entry("s", signature([], [(b"y", tensor_info("y:0", 9999))])), refused("data type number 9999")),
    ("another-type", "a tensor that is said to be of another type", lambda: signature_entry("s", signature([], [(b"y", tensor_info("y:0", STRING))])), READ),
    ("shape-negative", "a tensor of -5 elements", lambda: signature_entry("s", signature([], [(b"y", tensor_info("y:0", FLOAT32, shape_of(-5)))])), refused("dimension of -5")),
    ("components-5,000-deep", "composite tensors nested 5,000 deep", lambda: signature_entry("s", signature([], [(b"y", nested(5000, lambda inner: put_bytes(5, put_bytes(2, inner))))])), refused("nested more than 100 deep")),
    ("components-30-deep", "composite tensors nested 30 deep", lambda: signature_entry("s", signature([], [(b"y", nested(30, lambda inner: put_bytes(5, put_bytes(2, inner)), tensor_info("y:0")))])), READ),
    ("no-encoding", "a tensor of no kind", lambda: signature_entry("s", signature([], [(b"y", put_integer(2, FLOAT32))])), READ),
    ("10,000-keys", "a signature of 10,000 outputs", lambda: signature_entry("s", signature([], [(b"y%d" % i, tensor_info("y:0")) for i in range(10_000)])), READ),
    ("init-op-without-output", "an init op's signature without the output (CVE-2022-23577)", lambda: signature_entry("__saved_model_init_op", signature([], [])), READ),
    ("init-op-nowhere", "an init op that is nowhere", lambda: signature_entry("__saved_model_init_op", signature([], [(b"__saved_model_init_op", tensor_info("gone"))])), READ),
    ("init-op-twice", "two init ops in a collection", lambda: collection("saved_model_main_op", node_list("x", "y")), READ),
    ("init-op-empty", "a collection of no init op", lambda: collection("saved_model_main_op", node_list()), READ),
)  # fmt: skip


def cases() -> Iterator[Case]:
    yield from _graphs()
    yield from _frozen()
    yield from _texts_and_messages()
