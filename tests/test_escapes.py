"""Artifacts whose names are made to act on whoever shows them, shown in every way there is.

A command that shows names gets a row in COMMANDS; one that can fail with a name a row in ERRORS.
"""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fcntl import ioctl
from struct import pack
from termios import TIOCSWINSZ
from threading import Thread

import pytest

from tests.conftest import PROJECT
from tests.formats import assert_visible, shown_by_csv, shown_by_html, shown_by_markdown
from tests.odd_names import IN_GRAPHS, ODD_NAMES, SOFTMAX, write_odd_artifacts
from tests.test_report_describe import graph, info, meta_graph
from tfartifacts.__main__ import run
from tfartifacts.cli.errors import DAMAGED, DONE, FINDING, NOT_FOUND, USAGE
from tfartifacts.cli.output import write_error
from tfartifacts.convert.signatures import unfed_notes
from tfartifacts.errors import ExecutionError
from tfartifacts.execution.tensorflow import quiet
from tfartifacts.model import Node, Signature
from tfartifacts.report.escape import printable
from tfartifacts.report.tables import cell
from tfartifacts.report.view import SECTIONS


@dataclass(frozen=True)
class Odd:
    """The artifacts, and a folder for what is made of them."""

    checkpoints: str
    saved_model: str
    new: str

    @property
    def meta(self) -> str:
        (name,) = (name for name in os.listdir(self.checkpoints) if name.endswith(".meta"))
        return os.path.join(self.checkpoints, name)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Odd:
    folder = tmp_path_factory.mktemp("odd")
    checkpoints, saved_model = map(str, write_odd_artifacts(folder))
    return Odd(checkpoints, saved_model, str(folder / "new\x1b[2J\u202e"))


Arguments = Callable[[Odd], Sequence[str]]
TEXT_AND_JSON = ("", "--json")
ALL_FORMATS = (
    *TEXT_AND_JSON, "--format=json", "--format=markdown", "--format=html", "--format=csv"
)  # fmt: skip
NO_CSV = ALL_FORMATS[:-1]
NAMED = ("--inputs=x\x1b[2J=x:0", f"--outputs=<b>\u202e|={SOFTMAX}:0")

# What is shown, in which formats, with which exit code: signatures that name tensors that can be
# none are damage.
COMMANDS: dict[str, tuple[Arguments, Sequence[str], int]] = {
    "inspect a folder": (lambda odd: ["inspect", odd.checkpoints], ALL_FORMATS, DONE),
    "inspect a graph": (lambda odd: ["inspect", odd.meta], ALL_FORMATS, DONE),
    "inspect a SavedModel": (lambda odd: ["inspect", odd.saved_model], ALL_FORMATS, DAMAGED),
    "all of a folder": (lambda odd: ["inspect", odd.checkpoints, "--show=all"], NO_CSV, DONE),
    "all of a SavedModel": (
        lambda odd: ["inspect", odd.saved_model, "--show=all"],
        NO_CSV,
        DAMAGED,
    ),
    "values": (lambda odd: ["inspect", odd.checkpoints, "--values=*"], ALL_FORMATS, DONE),
    "several": (lambda odd: ["inspect", odd.checkpoints, odd.checkpoints], ALL_FORMATS, DONE),
    "verify a folder": (lambda odd: ["verify", odd.checkpoints], ALL_FORMATS, FINDING),
    "verify a SavedModel": (lambda odd: ["verify", odd.saved_model], ALL_FORMATS, FINDING),
    "verify for serving": (
        lambda odd: ["verify", odd.saved_model, "--for=serving"],
        TEXT_AND_JSON,
        FINDING,
    ),
    "scan a folder": (
        lambda odd: ["scan", odd.checkpoints, odd.checkpoints, "--show=all"],
        ALL_FORMATS,
        FINDING,
    ),
    "scan a SavedModel": (
        lambda odd: ["scan", odd.saved_model, "--show=all"],
        ALL_FORMATS,
        FINDING,
    ),
    "state": (lambda odd: ["state", odd.checkpoints], TEXT_AND_JSON, DONE),
    "manifest --dry-run": (
        lambda odd: ["manifest", odd.checkpoints, "--dry-run"],
        TEXT_AND_JSON,
        DONE,
    ),
    "salvage --dry-run": (
        lambda odd: ["salvage", odd.checkpoints, f"{odd.new}3/m", "--dry-run"],
        TEXT_AND_JSON,
        DONE,
    ),
    "diff": (lambda odd: ["diff", odd.checkpoints, odd.saved_model], ALL_FORMATS, FINDING),
    "diff of graphs": (
        lambda odd: ["diff", odd.meta, odd.saved_model, "--show=variables,graph,signatures"],
        ALL_FORMATS,
        FINDING,
    ),
    "stats": (lambda odd: ["stats", odd.checkpoints], ALL_FORMATS, DONE),
    "edit --dry-run": (
        lambda odd: ["edit", odd.checkpoints, f"{odd.new}4/m", "--cast=bfloat16", "--dry-run"],
        TEXT_AND_JSON,
        DONE,
    ),
    "average --dry-run": (
        lambda odd: ["average", odd.checkpoints, f"{odd.new}5/m", "--dry-run"],
        TEXT_AND_JSON,
        DONE,
    ),
    "export --dry-run": (
        lambda odd: [
            "export", odd.checkpoints, f"{odd.new}6/m.npz", "--skip-unsupported", "--dry-run"
        ],
        TEXT_AND_JSON,
        DONE,
    ),
    "signature list": (lambda odd: ["signature", "list", odd.saved_model], TEXT_AND_JSON, DONE),
    "convert": (
        lambda odd: ["convert", odd.checkpoints, odd.new, "--overwrite", *NAMED],
        TEXT_AND_JSON,
        DONE,
    ),
    "convert --dry-run": (
        lambda odd: ["convert", odd.checkpoints, f"{odd.new}2", "--dry-run", *NAMED],
        TEXT_AND_JSON,
        DONE,
    ),
    **{
        f"--show {section} of a {kind}": (
            lambda odd, kind=kind, section=section: [  # type: ignore[misc]
                "inspect", getattr(odd, kind), f"--show={section}"
            ],
            ("--format=csv",),
            DONE if kind == "checkpoints" else DAMAGED,
        )
        for section in SECTIONS
        for kind in ("checkpoints", "saved_model")
    },
}  # fmt: skip

ERRORS: dict[str, tuple[Arguments, int]] = {
    "no variable to drop": (
        lambda odd: ["edit", odd.checkpoints, f"{odd.new}4/m", "--drop=a\x1b[2J"],
        NOT_FOUND,
    ),
    "no variable to compare": (
        lambda odd: ["diff", odd.checkpoints, odd.checkpoints, "--filter=a\x1b[2J*"],
        NOT_FOUND,
    ),
    "no such path": (lambda odd: ["inspect", f"{odd.checkpoints}/\x1b[2J\u202e"], NOT_FOUND),
    "no such variable": (
        lambda odd: ["inspect", odd.checkpoints, "--values=zero\u200bwidth\u200d"],
        NOT_FOUND,
    ),
    "no such tensor": (
        lambda odd: ["convert", odd.checkpoints, odd.new, "--outputs=a\x1b[31mred\x1b[2:0"],
        NOT_FOUND,
    ),
    "no such signature": (
        lambda odd: ["signature", "remove", odd.saved_model, "a\x1b[31mred"],
        NOT_FOUND,
    ),
    "no such section": (lambda odd: ["inspect", odd.checkpoints, "--show=\x1b[2J"], USAGE),
    "no such format": (lambda odd: ["inspect", odd.checkpoints, "--format=\x1b[2J"], USAGE),
    "no such option": (lambda odd: ["inspect", "--\x1b]0;x\x07\u202e"], USAGE),
    "no such command": (lambda odd: ["\x1b[2J\u202einspect"], USAGE),
    "no such spec": (
        lambda odd: ["convert", odd.checkpoints, odd.new, "--spec=\x1b[2J\u202e"],
        NOT_FOUND,
    ),
}

ROWS = [
    pytest.param(arguments, form, code, id=f"{name} {form}".strip())
    for name, (arguments, forms, code) in COMMANDS.items()
    for form in forms
]
FAILING = [pytest.param(*row, id=name) for name, row in ERRORS.items()]


def options(arguments: Sequence[str], form: str) -> list[str]:
    return [*arguments, *([form] if form else [])]


@pytest.mark.parametrize(("arguments", "form", "code"), ROWS)
def test_nothing_but_visible_text_comes_out(
    odd: Odd, capfd: pytest.CaptureFixture[str], arguments: Arguments, form: str, code: int
) -> None:
    assert run(options(arguments(odd), form)) == code
    output, errors = capfd.readouterr()
    assert_visible(output)
    assert_visible(errors)
    assert output
    if form in ("--json", "--format=json"):
        assert output.isascii()
        json.loads(output)
    elif form == "--format=markdown":
        list(shown_by_markdown(output))
    elif form == "--format=html":
        shown_by_html(output)
    elif form == "--format=csv":
        shown_by_csv(output)


@pytest.mark.parametrize(("arguments", "code"), FAILING)
def test_no_error_acts_on_the_terminal(
    odd: Odd, capfd: pytest.CaptureFixture[str], arguments: Arguments, code: int
) -> None:
    assert run(list(arguments(odd))) == code
    output, errors = capfd.readouterr()
    assert output == ""
    assert errors.startswith("tfartifacts: error: ")
    assert_visible(errors)
    assert "\\x1b" in errors or "\\u200b" in errors


# With a terminal, and where the terminal is not of UTF-8: each kind of output once, for each is a
# process.
ONCE = [row for row in ROWS if "csv" not in str(row.values[1]) or "inspect" in str(row.id)]
TEXTS = [row for row in ROWS if row.values[1] == ""]


def process(
    arguments: Sequence[str], *, stream: int | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    inherited = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    inherited["PYTHONPATH"] = str(PROJECT)
    return subprocess.run(
        [sys.executable, "-m", "tfartifacts", *arguments],
        stdout=subprocess.PIPE if stream is None else stream,
        stderr=subprocess.PIPE if stream is None else stream,
        env=inherited | environment,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(("arguments", "form", "code"), ONCE)
def test_a_stream_of_ascii_gets_ascii(odd: Odd, arguments: Arguments, form: str, code: int) -> None:
    done = process(options(arguments(odd), form), PYTHONIOENCODING="ascii:strict")
    assert done.returncode == code, done.stderr
    for text in (done.stdout, done.stderr):
        assert_visible(text.decode("ascii"))
    if form == "--format=html":
        assert any("größe/核" in text for text in shown_by_html(done.stdout.decode()))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [*(pytest.param(row.values[0], row.values[2], id=str(row.id)) for row in TEXTS), *FAILING],
)
def test_a_terminal_of_80_columns_shows_nothing_else(
    odd: Odd, arguments: Arguments, code: int
) -> None:
    shown = on_a_terminal(list(arguments(odd)), code)
    assert_visible(shown)
    assert shown


def on_a_terminal(arguments: Sequence[str], code: int) -> str:
    """What a terminal of 80 columns is sent."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, pack("HHHH", 24, 80, 0, 0))
    pieces: list[bytes] = []

    def read() -> None:
        # Linux reports the end, the last writer gone, as an error.
        with suppress(OSError):
            while piece := os.read(ours, 1 << 16):
                pieces.append(piece)

    reader = Thread(target=read)
    reader.start()
    done = process(arguments, stream=theirs, PYTHONIOENCODING="utf-8")
    os.close(theirs)
    reader.join(60)
    os.close(ours)
    assert done.returncode == code
    # The line discipline makes two of one line feed.
    return b"".join(pieces).decode().replace("\r\n", "\n")


def shown(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    run(["inspect", *arguments])
    return capfd.readouterr().out


def test_names_are_exact_in_json(odd: Odd, capfd: pytest.CaptureFixture[str]) -> None:
    folder = json.loads(shown(capfd, odd.checkpoints, "--show=all", "--json"))
    latest = folder["latest_checkpoint"]
    assert {item["name"] for item in latest["variables"]} == {*ODD_NAMES, "strings"}
    graph = latest["meta_graph"]
    nodes = {node["name"] for node in graph["nodes"]}
    assert {*IN_GRAPHS, *(f"p/{name}" for name in IN_GRAPHS)} < nodes
    assert {f"/device:{name}" for name in IN_GRAPHS} < graph["devices"].keys()
    assert graph["collections"].keys() >= {f"of {name}" for name in IN_GRAPHS}
    assert folder["path"] == odd.checkpoints
    model = json.loads(shown(capfd, odd.saved_model, "--json"))
    [meta_graph] = model["meta_graphs"]
    assert meta_graph["signatures"].keys() == set(IN_GRAPHS)
    assert set(meta_graph["tags"]) == set(IN_GRAPHS)
    assert {function["name"] for function in meta_graph["functions"]} == set(IN_GRAPHS)


def test_names_are_whole_in_every_other_format(odd: Odd, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = (odd.checkpoints, "--show=variables")
    expected = {cell(name) for name in ODD_NAMES}
    assert expected <= set(shown_by_markdown(shown(capfd, *arguments, "--format=markdown")))
    assert expected <= set(shown_by_html(shown(capfd, *arguments, "--format=html")))
    text = shown(capfd, *arguments)
    assert [name for name in expected if f"\n  {name} " not in text] == []
    rows = shown_by_csv(shown(capfd, *arguments, "--format=csv"))
    assert {row["name"].replace("'", "") for row in rows} == {
        printable(name).replace("'", "") for name in (*ODD_NAMES, "strings")
    }


def test_the_proposed_command_names_the_same_bytes_to_a_shell(
    odd: Odd, capfd: pytest.CaptureFixture[str]
) -> None:
    for form in ("", "--format=markdown"):
        output = shown(capfd, *options([odd.checkpoints], form))
        (line,) = (line for line in output.splitlines() if "tfartifacts convert" in line)
        script = line.replace("tfartifacts", "printf '%s\\0'", 1)
        done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
        found = [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]
        assert found[:3] == ["convert", odd.checkpoints, "DESTINATION"]
        assert set(found[3::2]) <= {"--inputs", "--outputs"}
        tensors = {*IN_GRAPHS, *(f"p/{name}" for name in IN_GRAPHS), "x", SOFTMAX}
        assert {name.removesuffix(":0") for name in found[4::2]} <= tensors


def test_an_option_that_is_proposed_is_quoted_for_a_shell() -> None:
    name = "keep'$(reboot)"
    parts = graph(Node(name, "Placeholder"), Node("out", "Mul", ("x", name)))
    signature = Signature({"x": info("x:0")}, {"out": info("out:0", None)})
    signed = meta_graph(graph=parts, signatures={"s": signature})
    (proposed,) = (note.rpartition(": ")[2] for note in unfed_notes(signed))
    assert shlex.split(proposed) == ["--set", f"{name}=VALUE"]


def test_what_a_model_prints_is_escaped_when_its_log_is_shown(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with suppress(ExecutionError), quiet(write_error):
        os.write(2, b"printed \x1b[2J\xe2\x80\xae\nby a model\xff\n")
        raise ExecutionError("it failed")
    _, errors = capfd.readouterr()
    assert errors == "printed \\x1b[2J\\u202e\nby a model\ufffd\n"
