"""Names made to act on whoever shows them, and artifacts that carry them everywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import tfartifacts as tfa
from tests.test_report_describe import FLOAT, checkpoint, info, variable
from tfartifacts.formats.wire import put_bytes, put_integer, put_text
from tfartifacts.model import (
    Collection,
    Function,
    Graph,
    MetaGraph,
    MetaInfo,
    Node,
    SavedModel,
    Saver,
    Signature,
)
from tfartifacts.model.graphs import TensorShape
from tfartifacts.model.saved_models import AssetFile
from tfartifacts.model.values import Always, Deferred

ODD_NAMES = (
    "a\x1b[31mred\x1b[2J",
    "\x1b]8;;http://example.org\x07click\x1b]8;;\x07",
    "\x1b]52;c;cm0gLXJm\x1b\\",
    "\x9b31mC1\x90\x9c",
    "safe\rover",
    "bell\x07\x08back\x7f",
    "nul\0byte",
    "bidi\u202etxt.exe",
    "isolate\u2066x\u2069\u200e\u061c",
    "zero\u200bwidth\u200d\u2060",
    "\ufeffbom",
    "two\nlines\u2028three\x85four",
    "tab\there",
    "\t=1+1",
    "no\u00a0break\u3000wide",
    "filler\u3164\u2800\ufe0f",
    "not\udcff\udc80utf8",
    "größe/核/\U0001f600",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1+1)",
    " =blank",
    "\uff1dfull",
    "a;=1+1;\"=2\"",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'onmouseover='x",
    "</title></style></pre></td><h1>x",
    "&lt;b&gt;&#60;",
    "<!-- x --> <?x?> <![CDATA[x]]>",
    "`code`` ```",
    "```",
    "pipe|pipe\\|pipe\\",
    "[x](javascript:alert(1))",
    "](javascript:alert(1))",
    "![x](http://example.org/x.png)",
    "<http://example.org> http://example.org www.example.org a@example.org",
    "*em* **strong** _em_ __strong__ ~~del~~",
    "# heading",
    "- item",
    "1. item",
    "2) item",
    "> quote",
    "    code",
    "---",
    "===",
    "|---|---|",
    "[x]: http://example.org",
    "[^1] $x$ {{ x }} :smile:",
    "$(reboot) `reboot` ; reboot 'x'",
    "--overwrite",
    "end ",
    "\\",
    "a\\",
    "%s %d {0} {name}",
    "long/" * 2000,
)  # fmt: skip

# A protobuf's strings are UTF-8: what is not is refused when the graph is read.
IN_GRAPHS = tuple(name for name in ODD_NAMES if "\udcff" not in name)

SOFTMAX = "y\x1b[2J'$(reboot)/Softmax"  # the likeliest output


def odd_graph() -> Graph:
    """A placeholder, an op and a function of every name."""
    shape = {"shape": TensorShape((None, 2)), "dtype": FLOAT}
    nodes = [Node("x", "Placeholder", (), "", shape)]
    functions = {}
    for number, name in enumerate(IN_GRAPHS):
        nodes.append(Node(f"p/{name}", "Placeholder", (), f"/device:{name}", shape))
        nodes.append(Node(name, f"Op {name}", ("x", f"p/{name}", f"^{name}"), "", {"T": FLOAT}))
        functions[name] = Function(name, (), (), (), encoded=_function(name, f"{number}{name}"))
    nodes.append(Node(SOFTMAX, "Softmax", ("x",), "", {"T": FLOAT}))
    return Graph(tuple(nodes), functions)


def _function(name: str, other: str) -> bytes:
    """A FunctionDef of one node: op_def.proto, function.proto, node_def.proto."""

    def argument(called: str) -> bytes:
        return put_text(1, called) + put_integer(3, 1)  # DT_FLOAT

    signature = put_text(1, name) + put_bytes(2, argument(name)) + put_bytes(3, argument(other))
    node = put_text(1, name) + put_text(2, "Identity") + put_text(3, name)
    return put_bytes(1, signature) + put_bytes(3, node + put_text(4, name))


def odd_meta_graph(*, with_signatures: bool) -> MetaGraph:
    signatures = {
        name: Signature(
            {name: info(f"p/{name}:0", (None, 2))}, {name: info(f"{name}:0", None)}, name
        )
        for name in IN_GRAPHS
    }
    collections = {f"of {name}": Collection("node_list", (name,)) for name in IN_GRAPHS}
    collections["bytes"] = Collection("bytes_list", tuple(map(as_bytes, IN_GRAPHS)))
    return MetaGraph(
        odd_graph(),
        info=MetaInfo(IN_GRAPHS, IN_GRAPHS[0], IN_GRAPHS[2]),
        signatures=signatures if with_signatures else {},
        saver=Saver(f"{IN_GRAPHS[0]}:0", f"{IN_GRAPHS[1]}:0", IN_GRAPHS[4]),
        collections=collections,
        asset_files=tuple(
            # A checkpoint could not be converted without the files.
            AssetFile(f"{name}:0", name)
            for name in IN_GRAPHS
            if with_signatures
        ),
    )


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def write_odd_artifacts(folder: Path) -> tuple[Path, Path]:
    """A folder with a checkpoint, its .meta and state file, and a SavedModel."""
    variables = [variable(name, [1.5, 2.5]) for name in ODD_NAMES]
    strings = variable("strings", list(map(as_bytes, ODD_NAMES)), "string")
    bare = Deferred(Always(odd_meta_graph(with_signatures=False)))
    source = checkpoint("m", *variables, strings, meta_graph_part=bare, files=())
    checkpoints = folder / "run \x1b[31m\u202e<b>`|"
    tfa.save(source, checkpoints / "m\x1b]0;x\x07\n-7", update_state=True)
    model = SavedModel(
        "m", (odd_meta_graph(with_signatures=True),), replace(source, meta_graph_part=NONE)
    )
    export = folder / "export\x1b[2J"
    tfa.save(model, export)
    return checkpoints, export


NONE: Deferred[MetaGraph | None] = Deferred(Always(None))
