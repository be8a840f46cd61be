"""Hostile SavedModels: `saved_model.pb`, its signatures, assets, and what lies beside it."""

# ruff: noqa: E501  # a case is a line

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.hostile.bundles import STRING, entry, write_bundle
from tests.hostile.case import Case, Read, Refused, refused
from tests.hostile.graphs import (
    END,
    GOOD_GRAPH,
    GOOD_META,
    INFO,
    SERVING,
    START,
    T,
    asset,
    attr,
    constant,
    cut_length,
    deep_call,
    function,
    library,
    meta_graph,
    nested,
    node,
    saved_model,
    saved_model_bytes,
    whole_saved_model,
)
from tests.hostile.meta_graphs import SIGNATURES
from tfartifacts.formats.wire import put_bytes, put_integer, put_text

READ = Read(None)
Row = tuple[str, str, Callable[[Path], object], Refused | Read]

# --- the message ---------------------------------------------------------------------------------


def _graph(name: str, what: str, graph: bytes, expected: Refused | Read = READ) -> Row:
    return (name, what, saved_model(graph), expected)


def _pb(name: str, what: str, content: bytes, expected: Refused | Read = READ) -> Row:
    return (name, what, whole_saved_model(content), expected)


def _text(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "saved_model.pbtxt").write_bytes(content)


def _beside(name: str, content: bytes | Callable[[Path], object]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        saved_model()(folder)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content)

    return write


MESSAGES: tuple[Row, ...] = (
    _graph("good", "a SavedModel with nothing wrong", GOOD_GRAPH),
    _pb("empty", "a file of no bytes", b"", refused("an empty file", "NotThisFormatError")),
    _pb("garbage", "a file of garbage", b"\xff\xfe\xfd garbage", refused("")),
    _pb("no-meta-graph", "no meta graph", put_integer(1, 1), READ),
    _pb("cut", "a meta graph cut in the middle", saved_model_bytes(GOOD_META)[:-20], refused("")),
    _pb("length-2^31", "a meta graph that is said to have 2 GiB", put_integer(1, 1) + cut_length(2, 2**31, GOOD_META), refused("")),
    _pb("schema-99", "schema version 99", put_integer(1, 99) + put_bytes(2, meta_graph(further=SERVING))),
    _pb("no-graph", "a meta graph without a graph", saved_model_bytes(put_bytes(1, INFO) + SERVING)),
    _pb("no-tags", "a meta graph without tags", saved_model_bytes(meta_graph(further=SERVING, info=put_text(5, "1.15.5")))),
    _pb("tags-twice", "two meta graphs of the same tags: the first counts", saved_model_bytes(meta_graph(further=SERVING), meta_graph(START + END + node("z", "NoOp")))),
    _pb("tag-escape", "a tag that clears the screen", saved_model_bytes(meta_graph(info=put_text(4, "\x1b[2J")), meta_graph(further=SERVING))),
    _pb("tag-not-utf-8", "a tag that is not UTF-8", saved_model_bytes(meta_graph(info=put_bytes(4, b"\xff"))), refused("expected UTF-8")),
    _pb("1,000-meta-graphs", "1,000 meta graphs", saved_model_bytes(*[GOOD_META] * 1000)),
    _pb("groups-100,000-deep", "100,000 groups that do not end", saved_model_bytes(GOOD_META) + b"\x4b" * 100_000, refused("")),
    _graph("no-value", "a constant without a value (CVE-2020-15206)", START + END + node("c", "Const", attrs=T)),
    _graph("splat-2^40", "a constant of 2^40 elements, all the same", GOOD_GRAPH + constant("c", (2**40,), put_bytes(5, bytes(4)))),
    _graph("strings-2^31", "a constant of 2^31 strings, none of them given", GOOD_GRAPH + constant("c", (2**31,), b"", STRING)),
    _graph("negative", "a constant of -5 elements", GOOD_GRAPH + constant("c", (-5,), b"")),
    _graph("attr-key-not-utf-8", "an attribute whose key is not UTF-8 (CVE-2020-15206)", GOOD_GRAPH + node("z", "NoOp", attrs=put_bytes(5, put_bytes(1, b"\xff") + put_bytes(2, b""))), refused("expected UTF-8")),
    _graph("call-each-other", "two functions that call each other (CVE-2022-23591)", GOOD_GRAPH + node("z", "f0") + library(function("f0", node("n", "f1")), function("f1", node("n", "f0")))),
    _graph("attributes-5,000-deep", "a function's attributes nested 5,000 deep", GOOD_GRAPH + node("z", "NoOp", attrs=attr("f", nested(5000, deep_call))), refused("nested more than 100 deep")),
    _graph("exit-without-enter", "a loop that ends and never began (CVE-2021-41217)", GOOD_GRAPH + node("z", "Exit", "x", attrs=T)),
    _graph("chain-100,000", "a chain of 100,000 nodes", GOOD_GRAPH + b"".join(node(f"n{i}", "Identity", f"n{i - 1}" if i else "x", attrs=T) for i in range(100_000))),
    ("chunked", "a SavedModel in chunks, of garbage", lambda folder: (folder / "saved_model.cpb").write_bytes(b"garbage"), refused("in chunks", "UnsupportedError")),
    ("text-of-garbage", "a saved_model.pbtxt of garbage", _text(b"\xff{{{"), refused("of no kind known", "NotThisFormatError")),
    ("text-deep", "a saved_model.pbtxt of 50,000 messages within each other", _text(b"meta_graphs { meta_info_def { " + b"any_info { " * 50_000), refused("")),
    ("pb-and-pbtxt", "a saved_model.pb beside another saved_model.pbtxt: the binary counts", _beside("saved_model.pbtxt", b"garbage"), READ),
)  # fmt: skip

# --- assets --------------------------------------------------------------------------------------

ASSET_GRAPH = GOOD_GRAPH + constant("a", (), put_bytes(8, b"vocabulary.txt"), STRING)
NOT_COPIED = refused("", "ConversionError")
REFUSED_NAME = "a name that leads out of assets/ is not followed"


def _asset(
    filename: str | bytes, make: Callable[[Path], object] | None = None
) -> Callable[[Path], None]:
    return _assets(asset(filename), make)


def _assets(
    declared: bytes, make: Callable[[Path], object] | None = None
) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        secret = folder.parent / "outside"
        secret.mkdir()
        (secret / "secret.txt").write_text("secret")
        saved_model(ASSET_GRAPH, SERVING + declared)(folder)
        (folder / "assets").mkdir()
        (folder / "assets" / "other.txt").write_text("other")
        if make is not None:
            make(folder)

    return write


def _absolute(folder: Path) -> None:
    _asset(f"{folder.parent}/outside/secret.txt")(folder)


def _assets_folder_is_a_link(folder: Path) -> None:
    _asset("secret.txt")(folder)
    (folder / "assets" / "other.txt").unlink()
    (folder / "assets").rmdir()
    (folder / "assets").symlink_to("../outside", target_is_directory=True)


def _in_assets(make: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: make(folder / "assets" / "v.txt")


Assets = tuple[tuple[str, str, Callable[[Path], object], Refused | Read, str], ...]

ASSETS: Assets = (
    ("good", "an asset with nothing wrong", _asset("other.txt"), READ, ""),
    ("absolute", "an absolute path", _absolute, NOT_COPIED, REFUSED_NAME),
    ("dots", "a path that leads out", _asset("../../outside/secret.txt"), NOT_COPIED, REFUSED_NAME),
    ("dots-within", "a path that leads out and in again", _asset("../assets/other.txt"), NOT_COPIED, REFUSED_NAME),
    ("passwd", "/etc/passwd", _asset("/etc/passwd"), NOT_COPIED, REFUSED_NAME),
    ("dev-zero", "/dev/zero", _asset("/dev/zero"), NOT_COPIED, REFUSED_NAME),
    ("url", "a URL", _asset("http://127.0.0.1:9/x"), NOT_COPIED, REFUSED_NAME),
    ("nul", "a name with NUL", _asset("other.txt\0.png"), NOT_COPIED, REFUSED_NAME),
    ("backslash", "a path of Windows", _asset("..\\..\\outside\\secret.txt"), NOT_COPIED, REFUSED_NAME),
    ("drive", "a drive letter", _asset("C:\\windows\\win.ini"), NOT_COPIED, REFUSED_NAME),
    ("drive-relative", "a drive letter without a folder", _asset("C:win.ini"), NOT_COPIED, REFUSED_NAME),
    ("device-of-windows", "a device of Windows", _asset("NUL"), NOT_COPIED, REFUSED_NAME),
    ("empty", "an empty name", _asset(""), NOT_COPIED, REFUSED_NAME),
    ("dot", "the folder itself", _asset("."), NOT_COPIED, REFUSED_NAME),
    ("missing", "a file there is not", _asset("gone.txt"), NOT_COPIED, ""),
    ("escape", "a name that clears the screen", _asset("\x1b[2J"), NOT_COPIED, ""),
    ("not-utf-8", "a name that is not UTF-8", _asset(b"\xff"), refused("expected UTF-8"), ""),
    ("1-MiB", "a name of 1 MiB", _asset("x" * (1 << 20)), NOT_COPIED, ""),
    ("link-out", "a link out of the folder", _asset("v.txt", _in_assets(lambda path: path.symlink_to("../../outside/secret.txt"))), NOT_COPIED, "a link is not copied from outside"),
    ("link-passwd", "a link to /etc/passwd", _asset("v.txt", _in_assets(lambda path: path.symlink_to("/etc/passwd"))), NOT_COPIED, "a link is not copied from outside"),
    ("link-loop", "a link to itself", _asset("v.txt", _in_assets(lambda path: path.symlink_to("v.txt"))), NOT_COPIED, ""),
    ("fifo", "a FIFO", _asset("v.txt", _in_assets(os.mkfifo)), NOT_COPIED, ""),
    ("folder", "a folder", _asset("v.txt", _in_assets(os.mkdir)), NOT_COPIED, ""),
    ("dev-zero-link", "a link to /dev/zero", _asset("v.txt", _in_assets(lambda path: path.symlink_to("/dev/zero"))), NOT_COPIED, ""),
    ("folder-is-a-link", "an assets folder that is a link out", _assets_folder_is_a_link, NOT_COPIED, "a link is not copied from outside"),
    ("of-garbage", "an asset of garbage", saved_model(ASSET_GRAPH, SERVING + put_bytes(6, b"\xff\xff\xff")), refused(""), ""),
    ("no-tensor", "an asset of a tensor there is not", _assets(asset("other.txt", "gone:0")), READ, ""),
    ("tensor-of-numbers", "an asset of a tensor of numbers", _assets(asset("other.txt", "x:0")), READ, ""),
    ("twice", "one tensor fed by two assets", _assets(asset("other.txt") + asset("gone.txt")), NOT_COPIED, ""),
)  # fmt: skip

# --- what lies beside ----------------------------------------------------------------------------


def _with_variables(folder: Path) -> Path:
    saver = put_text(1, "x:0") + put_text(2, "y:0") + put_text(3, "y") + put_integer(7, 2)
    saved_model(GOOD_GRAPH, SERVING + put_bytes(3, saver))(folder)
    variables = folder / "variables"
    variables.mkdir()
    write_bundle(variables, [(b"w", entry())])
    for file in list(variables.iterdir()):
        file.rename(variables / file.name.replace("m.", "variables.", 1))
    return variables


def _variables(make: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: make(_with_variables(folder))


def _replaced(path: Path, make: Callable[[Path], object]) -> object:
    path.unlink()
    return make(path)


def _variables_out(variables: Path) -> None:
    there = variables.parent.parent / "outside"
    variables.rename(there)
    variables.symlink_to(there, target_is_directory=True)


BESIDE: tuple[Row, ...] = (
    ("fingerprint-of-garbage", "a fingerprint of garbage", _beside("fingerprint.pb", b"\xff\xff\xff"), READ),
    ("fingerprint-empty", "a fingerprint of no bytes", _beside("fingerprint.pb", b""), READ),
    ("fingerprint-fifo", "a fingerprint that is a FIFO", _beside("fingerprint.pb", os.mkfifo), READ),
    ("fingerprint-out", "a fingerprint that is a link out", _beside("fingerprint.pb", lambda path: path.symlink_to("/etc/passwd")), refused("", "ConversionError")),
    ("fingerprint-other", "the fingerprint of another model", _beside("fingerprint.pb", put_integer(1, 1) + put_integer(5, 2)), READ),
    ("keras-of-garbage", "Keras metadata of garbage", _beside("keras_metadata.pb", b"\xff\xff\xff"), READ),
    ("keras-deep", "Keras metadata of 100,000 lists within each other", _beside("keras_metadata.pb", put_bytes(1, put_text(5, "[" * 100_000))), READ),
    ("keras-out", "Keras metadata that is a link out", _beside("keras_metadata.pb", lambda path: path.symlink_to("/etc/passwd")), refused("", "ConversionError")),
    ("extra-loop", "an assets.extra whose folder is a link to itself", _beside("assets.extra/loop", lambda path: path.symlink_to(".")), READ),
    ("extra-out", "an assets.extra of a link out", _beside("assets.extra/x", lambda path: path.symlink_to("/etc/passwd")), refused("", "ConversionError")),
    ("extra-fifo", "an assets.extra of a FIFO", _beside("assets.extra/x", os.mkfifo), READ),
    ("extra-200-deep", "an assets.extra of 200 folders within each other", _beside("assets.extra/" + "d/" * 200 + "x", b"x"), READ),
    ("variables-good", "variables with nothing wrong, and a saver that restores none", _variables(lambda _: None), READ),
    ("variables-missing", "variables that are missing", _variables(shutil.rmtree), READ),
    ("variables-fifo", "an index that is a FIFO", _variables(lambda path: _replaced(path / "variables.index", os.mkfifo)), refused("", "PathNotFoundError")),
    ("variables-of-garbage", "an index of garbage", _variables(lambda path: (path / "variables.index").write_bytes(b"garbage" * 9)), refused("")),
    ("variables-loop", "an index that is a link to itself", _variables(lambda path: _replaced(path / "variables.index", lambda index: index.symlink_to(index.name))), refused("", "PathNotFoundError")),
    ("variables-out", "a folder of variables that is a link out, as caches of models lay it", _variables(_variables_out), READ),
)  # fmt: skip


def cases() -> Iterator[Case]:
    for name, what, write, expected in MESSAGES:
        seconds = 20.0 if "100,000" in name or "1,000" in name else 1.0
        memory = (1000 if "100,000" in name else 200) << 20
        yield Case(
            "SavedModel",
            name,
            what,
            write,
            expected,
            ".",
            "saved_model",
            seconds=seconds,
            memory=memory,
        )
    for name, what, content, expected in SIGNATURES:

        def write_signature(folder: Path, content: Callable[[], bytes] = content) -> None:
            saved_model(GOOD_GRAPH, content())(folder)

        seconds = 5.0 if "10,000" in name else 1.0
        yield Case(
            "signature", name, what, write_signature, expected, ".", "saved_model", seconds=seconds
        )
    for name, what, write, expected, reason in ASSETS:
        yield Case("asset", name, what, write, expected, ".", "saved_model", reason)
    for name, what, write, expected in BESIDE:
        yield Case(
            "beside",
            name,
            what,
            write,
            expected,
            ".",
            "saved_model",
            leads_out=name == "variables-out",
            # Whoever watches resolves each of its 200 folders anew.
            seconds=5.0 if name == "extra-200-deep" else 1.0,
        )
