"""Every kind of bad input, through the library and the command line.

A clear error with path and byte offset, the exit code, one line, no traceback, nothing written.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tfartifacts.__main__ import run

USAGE, NOT_FOUND, DAMAGED, NOT_WRITTEN = 2, 3, 4, 74


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes | None]]:
    """Everything below a folder: mode, time and content."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else None,
        )
        for path in sorted(folder.rglob("*"))
    }


@dataclass(frozen=True)
class Told:
    """What a command line ended with."""

    code: int
    output: str
    errors: str

    @property
    def line(self) -> str:
        """The one error line, without what every such line begins with."""
        lines = [line for line in self.errors.splitlines() if not line.startswith("  ")]
        assert len(lines) == 1, self.errors
        assert lines[0].startswith("tfartifacts: error: ")
        return lines[0].removeprefix("tfartifacts: error: ")


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    def tell(*arguments: object) -> Told:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return Told(code, captured.out, captured.err)

    return tell


@pytest.fixture
def digits(fixtures: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoints of digits, to be damaged."""
    folder = tmp_path / "digits"
    shutil.copytree(fixtures / "digits" / "checkpoints", folder)
    return folder


@pytest.fixture
def model(fixtures: Path, tmp_path: Path) -> Path:
    """A copy of the SavedModel of digits, to be damaged."""
    folder = tmp_path / "model"
    shutil.copytree(fixtures / "digits" / "saved_model", folder)
    return folder


# --- one bad thing each --------------------------------------------------------------------------


@dataclass(frozen=True)
class Bad:
    """Something wrong: what is passed, and how it is told.

    `file` is the path the error names, `offset` the byte (None: none is told).
    """

    make: Callable[[Path], object]
    passed: str
    error: type[tfa.TfArtifactsError]
    code: int
    message: str
    file: str
    offset: int | None = None


def put(name: str, content: bytes) -> Callable[[Path], object]:
    def make(folder: Path) -> object:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.write_bytes(content)

    return make


def nothing(folder: Path) -> object:
    return None


def make_folder(name: str) -> Callable[[Path], object]:
    return lambda folder: os.mkdir(folder / name)


def remove(*names: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return make


INDEX = "digits/my_model-4.index"
DATA = "digits/my_model-4.data-00000-of-00001"
META = "digits/my_model-4.meta"
STATE = "digits/checkpoint"

BAD = {
    "missing file": Bad(
        nothing, "gone", tfa.PathNotFoundError, NOT_FOUND, "no such file, folder or", "gone"
    ),
    "missing folder": Bad(
        nothing, "no/where", tfa.PathNotFoundError, NOT_FOUND, "no folder", "no/where"
    ),
    "empty file": Bad(
        put("e", b""), "e", tfa.NotThisFormatError, NOT_FOUND, "an empty file; the write", "e"
    ),
    "empty index": Bad(
        put(INDEX, b""), INDEX, tfa.NotThisFormatError, NOT_FOUND, "an empty file", INDEX
    ),
    "empty meta": Bad(
        put(META, b""), META, tfa.NotThisFormatError, NOT_FOUND, "an empty file", META
    ),
    "empty state file": Bad(
        put(STATE, b""), "digits", tfa.FormatError, DAMAGED, "no model_checkpoint_path", STATE, 0
    ),
    "empty saved_model.pb": Bad(
        put("model/saved_model.pb", b""),
        "model",
        tfa.NotThisFormatError,
        NOT_FOUND,
        "an empty file",
        "model/saved_model.pb",
    ),
    "empty folder": Bad(
        make_folder("f"), "f", tfa.NotThisFormatError, NOT_FOUND, "an empty folder", "f"
    ),
    "folder with nothing of ours": Bad(
        put("f/notes.txt", b"hello\n"),
        "f",
        tfa.NotThisFormatError,
        NOT_FOUND,
        r"found notes\.txt, expected a checkpoint, SavedModel or graph",
        "f",
    ),
    "data without index": Bad(
        remove(INDEX),
        DATA,
        tfa.PathNotFoundError,
        NOT_FOUND,
        r"my_model-4\.index is not beside it",
        DATA,
    ),
    "prefix of data without index": Bad(
        remove(INDEX, META),
        "digits/my_model-4",
        tfa.PathNotFoundError,
        NOT_FOUND,
        "without the index the data cannot be read",
        "digits/my_model-4",
    ),
    "part of a SavedModel": Bad(
        put("model/fingerprint.pb", b"\x08\x80\x01\x10\x05"),
        "model/fingerprint.pb",
        tfa.NotThisFormatError,
        NOT_FOUND,
        "a part of a SavedModel; pass its folder",
        "model/fingerprint.pb",
    ),
    "an asset": Bad(
        put("model/assets/words.txt", b"a\nb\n"),
        "model/assets/words.txt",
        tfa.NotThisFormatError,
        NOT_FOUND,
        "text of no kind known",
        "model/assets/words.txt",
        0,
    ),
    "meta that is text": Bad(
        put(META, b"hello, world\n"), META, tfa.FormatError, DAMAGED, "found", META, None
    ),
    "meta that is a picture": Bad(
        put(META, b"\x89PNG\r\n\x1a\n"), META, tfa.NotThisFormatError, NOT_FOUND, "a PNG", META
    ),
    "meta that is a web page": Bad(
        put(META, b"<html>"), META, tfa.NotThisFormatError, NOT_FOUND, "HTML or XML page", META
    ),
    "meta that is a state file": Bad(
        put(META, b'model_checkpoint_path: "gone\n'),
        META,
        tfa.FormatError,
        DAMAGED,
        "no CheckpointState",
        META,
    ),
    "meta with a string cut off": Bad(
        put(META, b'meta_info_def { tags: "serve } }'),
        META,
        tfa.FormatError,
        DAMAGED,
        "MetaGraphDef",
        META,
        22,
    ),
    "text with a field there is not": Bad(
        put("g.pbtxt", b'node { name: "x" op: "y" colour: 1 }'),
        "g.pbtxt",
        tfa.FormatError,
        DAMAGED,
        "found field 'colour', expected a field of NodeDef",
        "g.pbtxt",
        25,
    ),
    "state file that is no text": Bad(
        put(STATE, b"\x01\x02"), "digits", tfa.FormatError, DAMAGED, "CheckpointState", STATE, 0
    ),
    "state file cut off": Bad(
        put(STATE, b'model_checkpoint_path: "my_mo'),
        "digits",
        tfa.FormatError,
        DAMAGED,
        "CheckpointState",
        STATE,
        23,
    ),
    "HDF5 index": Bad(
        put(INDEX, b"\x89HDF\r\n\x1a\n"), INDEX, tfa.NotThisFormatError, NOT_FOUND, "HDF5", INDEX
    ),
    "saved_model.pb of noise": Bad(
        put("model/saved_model.pb", bytes(range(255, 0, -1))),
        "model",
        tfa.FormatError,
        DAMAGED,
        "found",
        "model/saved_model.pb",
        0,
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line(
    case: str, digits: Path, model: Path, tmp_path: Path, command: Callable[..., Told]
) -> None:
    bad = BAD[case]
    bad.make(tmp_path)
    before = snapshot(tmp_path)
    with pytest.raises(bad.error, match=bad.message) as caught:
        tfa.open(tmp_path / bad.passed)
    assert caught.value.path == str(tmp_path / bad.file)
    if bad.offset is not None:
        assert caught.value.offset == bad.offset
    for arguments in (
        ["inspect", tmp_path / bad.passed],
        ["inspect", tmp_path / bad.passed, "--json"],
        ["inspect", tmp_path / bad.passed, "--show", "all"],
        ["convert", tmp_path / bad.passed, tmp_path / "new" / "export"],
    ):
        told = command(*arguments)
        assert told.code == bad.code
        assert told.output == ""
        assert told.line == str(caught.value)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("case", ["missing file", "empty folder", "state file cut off"])
def test_a_process_tells_the_same(case: str, digits: Path, model: Path, tmp_path: Path) -> None:
    bad = BAD[case]
    bad.make(tmp_path)
    with pytest.raises(bad.error) as caught:
        tfa.open(tmp_path / bad.passed)
    process = subprocess.run(
        [sys.executable, "-m", "tfartifacts", "inspect", str(tmp_path / bad.passed)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == bad.code
    assert process.stdout == ""
    assert process.stderr == f"tfartifacts: error: {caught.value}\n"


# --- every length, every bit ---------------------------------------------------------------------


def test_an_index_truncated_at_every_length_is_told(
    digits: Path, tmp_path: Path, command: Callable[..., Told]
) -> None:
    path = tmp_path / INDEX
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        for passed in (path, tmp_path / "digits" / "my_model-4"):
            with pytest.raises(tfa.FormatError) as caught:
                tfa.open(passed)
            assert caught.value.path == str(path)
            # An empty file is told as one; what is left of others has an end to point to.
            assert length == 0 or caught.value.offset is not None
            assert "truncated" in caught.value.message or "cut off" in caught.value.message
        if length % 37 == 0:
            told = command("inspect", path)
            assert told.code == (DAMAGED if length else NOT_FOUND)
            assert told.output == ""
            assert told.line == str(caught.value)


def test_a_v1_checkpoint_truncated_at_every_length_is_told(fixtures: Path, tmp_path: Path) -> None:
    whole = (fixtures / "v1-checkpoint" / "model-3").read_bytes()
    path = tmp_path / "model.ckpt"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(tfa.FormatError) as caught:
            tfa.open(path)
        assert caught.value.path == str(path)


def test_a_meta_file_truncated_is_told_or_a_shorter_message(digits: Path, tmp_path: Path) -> None:
    # A message has no end of its own: cut between two fields it is another, shorter one.
    path = tmp_path / META
    whole = path.read_bytes()
    refused = 0
    for length in range(1, len(whole), 97):
        path.write_bytes(whole[:length])
        try:
            shorter = tfa.open(path)
        except tfa.FormatError as error:
            assert error.path == str(path)  # noqa: PT017 - the other branch is right too
            refused += 1
        else:
            assert shorter.kind == "meta-graph"
    assert refused > 0.9 * len(range(1, len(whole), 97))


def flipped(path: Path, position: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


@pytest.mark.parametrize("position", [0, 20, 100, -1, -10, -30, -48, -60])
def test_a_flipped_bit_in_the_index_is_told(
    position: int, digits: Path, tmp_path: Path, command: Callable[..., Told]
) -> None:
    path = tmp_path / INDEX
    flipped(path, position)
    with pytest.raises(tfa.FormatError) as caught:
        tfa.open(path)
    assert caught.value.path == str(path)
    assert caught.value.offset is not None
    before = snapshot(tmp_path)
    for arguments in (["inspect", path], ["convert", path, tmp_path / "export"]):
        told = command(*arguments)
        assert (told.code, told.output) == (DAMAGED, "")
        assert told.line == str(caught.value)
    assert snapshot(tmp_path) == before


def test_a_flipped_bit_in_the_data_is_told_when_it_is_read(
    digits: Path, served: set[str], tmp_path: Path, command: Callable[..., Told]
) -> None:
    path = tmp_path / DATA
    checkpoint = opened_checkpoint(tmp_path / "digits" / "my_model-4")
    whole = path.read_bytes()
    for name, variable in checkpoint.variables.items():
        assert variable.value is not None
        location = variable.value.location
        assert location is not None
        for position in (location.offset, location.offset + location.size - 1):
            flipped(path, position, 6)
            with pytest.raises(tfa.ChecksumError, match=r"0x[0-9a-f]{8}, expected 0x") as caught:
                variable.read()
            assert (caught.value.path, caught.value.offset) == (str(path), location.offset)
            path.write_bytes(whole)
        flipped(path, location.offset)
        before = snapshot(tmp_path)
        told = command("inspect", tmp_path / "digits" / "my_model-4", "--values", name)
        assert told.code == DAMAGED
        assert str(path) in told.errors
        assert f"byte {location.offset}: " in told.errors
        for options in [["--keep-training-graph"], [] if name in served else None]:
            if options is None:
                continue
            told = command("convert", tmp_path / "digits", tmp_path / "new" / "export", *options)
            assert (told.code, told.output) == (DAMAGED, "")
            assert told.line.startswith(f"{path}: byte {location.offset}: found tensor bytes")
            assert snapshot(tmp_path) == before
        if name not in served:
            # What is pruned is not read.
            told = command("convert", tmp_path / "digits", tmp_path / "new" / "export")
            assert (told.code, told.errors) == (0, "")
            shutil.rmtree(tmp_path / "new")
        path.write_bytes(whole)


@pytest.fixture
def served(digits: Path) -> set[str]:
    """The variables that the signature of digits needs."""
    model = tfa.checkpoint_to_saved_model(opened_checkpoint(digits / "my_model-4"))
    assert model.checkpoint is not None
    names = set(model.checkpoint.variables)
    assert 0 < len(names) < len(opened_checkpoint(digits / "my_model-4").variables)
    return names


def opened_checkpoint(path: Path) -> tfa.Checkpoint:
    checkpoint = tfa.open(path)
    assert isinstance(checkpoint, tfa.Checkpoint)
    return checkpoint


@pytest.mark.parametrize("missing", [1, 100, 20_000, None])
def test_data_shorter_than_its_index_says_is_told(
    missing: int | None,
    digits: Path,
    served: set[str],
    tmp_path: Path,
    command: Callable[..., Told],
) -> None:
    path = tmp_path / DATA
    whole = path.read_bytes()
    left = 0 if missing is None else len(whole) - missing
    path.write_bytes(whole[:left])
    checkpoint = opened_checkpoint(tmp_path / "digits" / "my_model-4")
    (problem,) = checkpoint.problems
    assert (problem.path, problem.offset) == (str(path), left)
    assert f"expected {len(whole) - left} more bytes" in problem.message
    told = command("inspect", tmp_path / "digits" / "my_model-4")
    assert told.code == DAMAGED
    assert told.output  # what the index says is shown
    assert told.line == str(problem)
    before = snapshot(tmp_path)
    convert = ["convert", tmp_path / "digits", tmp_path / "new" / "export"]
    told = command(*convert, "--keep-training-graph")
    assert (told.code, told.output) == (DAMAGED, "")
    assert told.line.startswith(f"{path}: byte {left}: found the end of the file")
    assert snapshot(tmp_path) == before
    told = command(*convert)
    if any(end_of(checkpoint.variables[name]) > left for name in served):
        assert (told.code, told.output) == (DAMAGED, "")
        assert told.line.startswith(f"{path}: byte {left}: found the end of the file")
        assert snapshot(tmp_path) == before
    else:
        # All that is served is there, and the damage is told all the same.
        assert (told.code, told.errors) == (0, "")
        assert f"needs it, but the source is damaged: {problem}\n" in told.output


def end_of(variable: tfa.Variable) -> int:
    assert variable.value is not None
    assert variable.value.location is not None
    return variable.value.location.offset + variable.value.location.size


def test_missing_data_is_told_when_it_is_needed(
    digits: Path, tmp_path: Path, command: Callable[..., Told]
) -> None:
    (tmp_path / DATA).unlink()
    told = command("inspect", tmp_path / "digits" / "my_model-4")
    assert told.code == 0
    before = snapshot(tmp_path)
    told = command("convert", tmp_path / "digits", tmp_path / "new" / "export")
    assert (told.code, told.output) == (NOT_FOUND, "")
    assert told.line.startswith(f"{tmp_path / DATA}: no such file")
    assert snapshot(tmp_path) == before


# --- what the graph does not have ----------------------------------------------------------------

WRONG_NAMES = {
    "input": (["--inputs", "image=myInptu:0", "--outputs", "p=myPrediction:0"], "myInput:0"),
    "output": (["--inputs", "image=myInput:0", "--outputs", "p=myPredicton:0"], "myPrediction"),
    "output number": (["--inputs", "image=myInput:0", "--outputs", "p=myPrediction:7"], "outputs"),
    "no tensor": (
        ["--inputs", "image=myInput:0", "--outputs", "p=^myPrediction"],
        "myPrediction:0",
    ),
}


@pytest.mark.parametrize("case", WRONG_NAMES)
def test_a_signature_that_names_a_missing_tensor_is_told(
    case: str, digits: Path, tmp_path: Path, command: Callable[..., Told]
) -> None:
    arguments, hint = WRONG_NAMES[case]
    before = snapshot(tmp_path)
    told = command("convert", digits, tmp_path / "new" / "export", *arguments)
    assert (told.code, told.output) == (NOT_FOUND, "")
    assert hint in told.line
    assert snapshot(tmp_path) == before


def test_a_saved_model_whose_signature_names_a_missing_tensor_is_shown(
    model: Path, command: Callable[..., Told]
) -> None:
    path = model / "saved_model.pb"
    data = path.read_bytes()
    names = [info.name for info in signature_outputs(model)]
    for name in names:
        node = name.partition(":")[0].encode()
        # Every mention in the signature's part, which stands behind the graph.
        start = data.rindex(node)
        data = data[:start] + b"?" * len(node) + data[start + len(node) :]
    path.write_bytes(data)
    assert any("?" in info.name for info in signature_outputs(model))
    told = command("inspect", model, "--show", "all")
    assert told.code == DAMAGED
    missing = [info.name for info in signature_outputs(model) if "?" in info.name]
    lines = told.errors.splitlines()
    assert len(lines) == len(missing)
    for name, line in zip(missing, lines, strict=True):
        assert line.startswith(f"tfartifacts: error: {path}: signature 'serving_default', output ")
        assert f": no tensor {name!r}" in line
        assert name in told.output
    # Everything else is there.
    assert "myInput:0" in told.output
    assert "conv2d/kernel" in told.output


def signature_outputs(model: Path) -> list[tfa.TensorInfo]:
    opened = tfa.open(model)
    assert isinstance(opened, tfa.SavedModel)
    return [
        info
        for meta_graph in opened.meta_graphs
        for signature in meta_graph.signatures.values()
        for info in signature.outputs.values()
    ]


# --- usage ---------------------------------------------------------------------------------------


def misuse(*arguments: str) -> tuple[str, ...]:
    return arguments


MISUSE = [
    misuse("inspect"),
    misuse("convert"),
    misuse("convert", "{digits}"),
    misuse("inspect", "{digits}", "--nonsense"),
    misuse("inspect", "{digits}", "--limit", "many"),
    misuse("inspect", "{digits}", "--sort", "colour"),
    misuse("inspect", "{digits}", "--show", "colour"),
    misuse("explain", "{digits}"),
    misuse("convert", "{digits}", "{new}", "--to", "checkpoint"),
    misuse("convert", "{model}", "{new}", "--inputs", "a=myInput:0"),
    misuse("convert", "{digits}", "{new}", "--inputs", "myInput:0"),
    misuse("convert", "{digits}", "{new}", "--outputs", "="),
    misuse("convert", "{digits}", "{new}", "--outputs", "a=myInput:0,a=myPrediction:0"),
    misuse("convert", "{digits}", "{model}"),
    misuse("convert", "{digits}", "{digits}"),
    misuse("convert", "{model}", "{digits}/my_model-4"),
    misuse("convert", "{model}", "{digits}/my_model-4", "--overwrite"),
    misuse("convert", "{model}", "{digits}/other-1", "--max-to-keep", "2"),
    misuse("convert", "{model}", "{digits}/other-1", "--update-state", "--max-to-keep", "0"),
    misuse("convert", "{model}", "{digits}/other-1", "--link", "soft"),
    misuse("convert", "{model}", "{model}", "--to", "saved-model", "--overwrite"),
    misuse("convert", "{model}", "{model}/inside", "--to", "saved-model"),
    misuse("convert", "{digits}", "{digits}", "--overwrite"),
    misuse("convert", "{model}", "{digits}/"),
    misuse("convert", "{meta}", "{new}"),
]


@pytest.mark.parametrize("arguments", MISUSE, ids=" ".join)
def test_misuse_is_one_clear_line(
    arguments: tuple[str, ...],
    digits: Path,
    model: Path,
    tmp_path: Path,
    command: Callable[..., Told],
) -> None:
    shutil.copy(digits / "my_model-4.meta", tmp_path / "alone.meta")
    places = {"digits": digits, "model": model, "new": tmp_path / "x" / "y-1"}
    places["meta"] = tmp_path / "alone.meta"
    before = snapshot(tmp_path)
    told = command(*(argument.format(**places) for argument in arguments))
    assert (told.code, told.output) == (USAGE, "")
    assert told.line
    assert snapshot(tmp_path) == before


def test_what_was_misuse_of_conversions_that_did_not_exist_is_none(
    digits: Path, model: Path, tmp_path: Path, command: Callable[..., Told]
) -> None:
    told = command("convert", model, tmp_path / "again", "--to", "saved-model")
    assert (told.code, told.errors) == (0, "")
    assert tfa.open(tmp_path / "again").kind == "saved-model"
    before = snapshot(digits)
    told = command("convert", model, digits / "other-1")
    assert (told.code, told.errors) == (0, "")
    assert "checkpoint is left as it is: --update-state makes it name" in told.output
    after = snapshot(digits)
    assert {name: after[name] for name in before} == before
    suffixes = (".data-00000-of-00001", ".index", ".meta")
    assert set(after) - set(before) == {f"other-1{suffix}" for suffix in suffixes}


def test_a_destination_that_cannot_be_written_is_told(
    digits: Path, tmp_path: Path, command: Callable[..., Told]
) -> None:
    (tmp_path / "file").write_text("mine")
    before = snapshot(tmp_path)
    told = command("convert", digits, tmp_path / "file" / "export")
    assert (told.code, told.output) == (NOT_WRITTEN, "")
    assert "found no folder, expected one to write into" in told.line
    assert snapshot(tmp_path) == before


# --- wording -------------------------------------------------------------------------------------


def test_lines_have_the_form_of_all_lines(digits: Path, model: Path, tmp_path: Path) -> None:
    for case, bad in BAD.items():
        shutil.rmtree(tmp_path / "digits")
        shutil.rmtree(tmp_path / "model")
        shutil.copytree(FIXTURES / "checkpoints", tmp_path / "digits")
        shutil.copytree(FIXTURES / "saved_model", tmp_path / "model")
        bad.make(tmp_path)
        with pytest.raises(tfa.TfArtifactsError) as caught:
            tfa.open(tmp_path / bad.passed)
        line = str(caught.value)
        form = rf"{re.escape(str(tmp_path))}/\S+: (byte \d+: )?(found|no|the text is no) \S.*[^.]"
        assert re.fullmatch(form, line), f"{case}: {line}"


FIXTURES = Path(__file__).parents[1] / "fixtures" / "digits"


@pytest.mark.parametrize("name", ["[x]*?", "new\nline", "\x1b[2J", "caf\udce9", "a b"])
def test_a_path_is_safe_to_show(name: str, tmp_path: Path, command: Callable[..., Told]) -> None:
    told = command("inspect", os.path.join(tmp_path, name))
    assert told.code == NOT_FOUND
    assert not set(told.errors[:-1]) & {"\x1b", "\n"}
    assert told.line.startswith(f"{tmp_path}/")
    expected: Any = {"new\nline": r"new\nline", "\x1b[2J": r"\x1b[2J", "caf\udce9": r"caf\xe9"}
    assert expected.get(name, name) in told.line
