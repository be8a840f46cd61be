"""The edge of the command line: exit codes, one error line, streams, signals, what is imported."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tfartifacts import __version__
from tfartifacts.__main__ import run
from tfartifacts.cli.errors import exit_code, guarded
from tfartifacts.errors import (
    ChecksumError,
    ConversionError,
    DestinationExistsError,
    FormatError,
    MissingDependencyError,
    NameNotFoundError,
    NotThisFormatError,
    PathNotFoundError,
    TfArtifactsError,
    UnsupportedError,
    WriteError,
)

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "tfartifacts"]


def process(
    *arguments: object, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        check=False,
        cwd=PROJECT,
        env={**os.environ, **(environment or {})},
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PathNotFoundError("x"), 3),
        (NotThisFormatError("x"), 3),
        (UnsupportedError("x"), 3),
        (NameNotFoundError("x"), 3),
        (FormatError("x"), 4),
        (ChecksumError("x"), 4),
        (ConversionError("x"), 2),
        (DestinationExistsError("x"), 2),
        (MissingDependencyError("x"), 5),
        (WriteError("x"), 74),
        (TfArtifactsError("x"), 70),
    ],
)
def test_exit_codes(error: TfArtifactsError, code: int) -> None:
    assert exit_code(error) == code


def test_an_error_is_one_escaped_line_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise FormatError("found \x1b[2J\nodd", path="m.index", offset=7)

    assert guarded(fail) == 4
    assert capsys.readouterr().err == (
        "tfartifacts: error: m.index: byte 7: found \\x1b[2J\\nodd\n"
    )


def test_our_own_fault_exits_70_and_asks_for_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise ZeroDivisionError("division by zero")

    assert guarded(fail) == 70
    errors = capsys.readouterr().err
    assert errors.startswith("tfartifacts: error: unexpected ZeroDivisionError: division by zero\n")
    assert "report" in errors
    assert "Traceback" not in errors
    assert guarded(fail, debug=True) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_file_that_may_not_be_read_is_no_fault_of_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> int:
        raise PermissionError(13, "Permission denied", "secret.index")

    assert guarded(fail) == 3
    assert capsys.readouterr().err == "tfartifacts: error: secret.index: Permission denied\n"


@pytest.mark.parametrize(
    "arguments",
    [["frobnicate"], ["inspect"], ["inspect", "x", "--limit", "-1"], ["inspect", "--nonsense", "x"],
     ["inspect", "x", "--sort", "colour"]],
)  # fmt: skip
def test_usage_errors_exit_2_with_one_line_and_a_hint(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    line, hint = captured.err.splitlines()
    assert captured.out == ""
    assert line.startswith("tfartifacts: error: ")
    assert hint.startswith("  see tfartifacts")
    assert hint.endswith("--help")


def test_debug_shows_the_traceback_of_an_expected_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["inspect", str(tmp_path / "gone"), "--debug"]) == 3
    errors = capsys.readouterr().err.splitlines()
    assert errors[0] == "Traceback (most recent call last):"
    assert errors[-1].startswith("tfartifacts: error: ")


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"tfartifacts {__version__}\n"
    for command in ([], ["inspect"], ["convert"]):
        assert run([*command, "--help"]) == 0
        assert "Examples:\n    tfartifacts " in capsys.readouterr().out
    assert run([]) == 2
    assert "Usage: tfartifacts" in capsys.readouterr().out


def test_help_has_no_colour_and_no_boxes() -> None:
    shown = process("inspect", "--help", environment={"FORCE_COLOR": "1", "TERM": "xterm"})
    assert shown.returncode == 0
    assert shown.stdout.isascii()
    assert b"\x1b" not in shown.stdout


def test_completion_is_offered() -> None:
    shown = process(environment={"_TFARTIFACTS_COMPLETE": "source_bash"})
    assert shown.returncode == 0
    assert b"complete -o default -F" in shown.stdout


def test_a_stream_that_is_not_utf8_gets_ascii(tmp_path: Path) -> None:
    path = tmp_path / "größe.pbtxt"
    path.write_text('node { name: "größe" op: "Const" }', encoding="utf-8")
    ascii_only = process("inspect", path, "--show", "nodes", environment={
        "LC_ALL": "C", "PYTHONIOENCODING": "ascii"})  # fmt: skip
    assert ascii_only.returncode == 0
    assert rb"gr\u00f6\u00dfe" in ascii_only.stdout
    assert ascii_only.stdout.isascii()
    utf8 = process("inspect", path, "--show", "nodes", environment={"PYTHONIOENCODING": "utf-8"})
    assert "größe".encode() in utf8.stdout
    failed = process("inspect", tmp_path / "ü", environment={"PYTHONIOENCODING": "ascii"})
    assert rb"\u00fc" in failed.stderr


def test_a_closed_pipe_ends_quietly(fixtures: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [*COMMAND, "inspect", str(fixtures / "digits" / "checkpoints")],
        stdout=writer, stderr=subprocess.PIPE, check=False, cwd=PROJECT,
    )  # fmt: skip
    os.close(writer)
    assert result.stderr == b""
    assert result.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_an_error(fixtures: Path) -> None:
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [*COMMAND, "inspect", str(fixtures / "digits" / "checkpoints")],
            stdout=full, stderr=subprocess.PIPE, check=False, cwd=PROJECT,
        )  # fmt: skip
    assert result.returncode == 74
    [line] = result.stderr.splitlines()
    assert line == b"tfartifacts: error: standard output cannot be written: No space left on device"


def test_interrupt_exits_130_without_a_word(tmp_path: Path) -> None:
    # More than a pipe holds, and nobody empties it: the command waits.
    path = tmp_path / "graph.pbtxt"
    path.write_text('node { name: "n" op: "Const" }\n' * 20_000)
    running = subprocess.Popen(
        [*COMMAND, "inspect", str(path), "--show", "nodes"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=PROJECT,
    )  # fmt: skip
    assert running.stdout is not None
    running.stdout.read(1)
    time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=30)
    assert errors == b""
    assert running.returncode == 130


def on_terminal(columns: int, *arguments: object) -> str:
    """What a terminal of that width is sent."""
    terminal, far_end = pty.openpty()
    running = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=far_end, stderr=far_end, cwd=PROJECT, env={**os.environ, "COLUMNS": str(columns)},
    )  # fmt: skip
    os.close(far_end)
    received = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        received += piece
    os.close(terminal)
    running.wait(timeout=30)
    return received.decode().replace("\r\n", "\n")


def test_a_terminal_of_80_columns_is_not_overrun(fixtures: Path) -> None:
    prefix = fixtures / "digits" / "checkpoints" / "my_model-4"
    relative = os.path.relpath(prefix, PROJECT)
    shown = on_terminal(80, "inspect", relative).splitlines()
    # The line for the shell stays one line.
    assert [line for line in shown if len(line) > 80 and "tfartifacts convert" not in line] == []
    # Names of tensors are whole, names of variables give way on a narrower one.
    name = "softmax_cross_entropy_loss/xentropy/Reshape:0"
    assert [line for line in shown if line.split()[1:2] == [name]]
    assert [line for line in on_terminal(60, "inspect", relative).splitlines() if "..." in line]
    piped = process("inspect", relative).stdout.decode()
    assert "..." not in piped


def test_a_terminal_gets_40_rows_of_a_table_and_a_pipe_all(tmp_path: Path) -> None:
    path = tmp_path / "graph.pbtxt"
    path.write_text("".join(f'node {{ name: "n{i}" op: "Const" }}\n' for i in range(50)))
    assert "  ... 10 more, --limit 0 shows all\n" in on_terminal(
        80, "inspect", path, "--show", "nodes"
    )
    assert "more" not in on_terminal(80, "inspect", path, "--show", "nodes", "--limit", 0)
    assert b"n49" in process("inspect", path, "--show", "nodes").stdout


def imported_by(*arguments: object) -> set[str]:
    code = (
        "import sys; from tfartifacts.__main__ import run; code = run(sys.argv[1:]);"
        "print('\\n' + ' '.join(sys.modules)); sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, check=True, cwd=PROJECT,
    )  # fmt: skip
    return set(result.stdout.decode().splitlines()[-1].split())


HEAVY = {"tensorflow", "numpy", "ml_dtypes", "rich", "google.protobuf", "json"}


@pytest.mark.parametrize(
    "artifact",
    [
        "digits/checkpoints/my_model-4",
        "digits/saved_model",
        "tensorflow-1.15/res",
        "keras/saved_model",
    ],
)
def test_inspect_imports_nothing_heavy(fixtures: Path, artifact: str) -> None:
    assert imported_by("inspect", fixtures / artifact) & HEAVY == set()


def test_json_and_numpy_are_imported_when_asked_for(fixtures: Path) -> None:
    prefix = fixtures / "digits" / "checkpoints" / "my_model-4"
    assert imported_by("inspect", prefix, "--json") & HEAVY == {"json"}
    assert "numpy" in imported_by("inspect", prefix, "--values", "dense/bias")


def test_json_does_not_depend_on_the_terminal(fixtures: Path) -> None:
    prefix = fixtures / "digits" / "checkpoints" / "my_model-4"
    shown = json.loads(on_terminal(40, "inspect", prefix, "--json"))
    assert len(shown["variables"]) == 32
    assert shown == json.loads(process("inspect", prefix, "--json").stdout)
