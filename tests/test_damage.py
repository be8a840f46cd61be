"""Damaged and hostile files: an error of ours or the truth, soon and in little memory.

Random damage: bits flipped, bytes set, ranges cut, zeroed, deleted, inserted or copied elsewhere.
A checkpoint's tables and data files notice all of it; graphs have no checksums, so there an answer
may differ, but nothing else than an error of ours may come of it. The number of cases is that of
TFARTIFACTS_DAMAGE_CASES (default 2000), the seed that of TFARTIFACTS_DAMAGE_SEED.

Hostile: files whose checksums are right and whose contents are not; test_hostile.py has hundreds.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tests.hostile.bundles import crc_of, entry, sliced, write_bundle
from tests.hostile.graphs import START, TYPE, constant
from tests.hostile.graphs import node as node_of
from tfartifacts.convert import convert
from tfartifacts.formats.slices import encode_slice_key
from tfartifacts.formats.wire import put_bytes, put_integer
from tfartifacts.model.variables import Extent
from tfartifacts.report.describe import Report, describe
from tfartifacts.report.layout import Layout
from tfartifacts.report.text import text_lines
from tfartifacts.report.view import SECTIONS, View

CASES = int(os.environ.get("TFARTIFACTS_DAMAGE_CASES", "2000"))
SEED = int(os.environ.get("TFARTIFACTS_DAMAGE_SEED", "20240229"))

MOST_SECONDS = 1.0  # of the processor, for one case
MOST_MEMORY = 192 << 20  # bytes that one case may add to the process

EVERYTHING = View(frozenset(SECTIONS), complete=True)


@contextmanager
def bounded(seconds: float = MOST_SECONDS) -> Iterator[None]:
    """What is done inside takes little time and memory, however it ends."""
    start = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        yield
    finally:
        took = time.process_time() - start
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert took < seconds, f"took {took:.2f} s"
    assert grown < MOST_MEMORY, f"took {grown >> 20} MiB"


def examine(path: str | os.PathLike[str]) -> tuple[tfa.Artifact, Report]:
    """Open, describe in full, write as text, read every value, and try to convert."""
    artifact = tfa.open(path)
    report = describe(artifact, EVERYTHING)
    layout = Layout(
        width=80, limit=40, ascii_only=False, sections=frozenset(SECTIONS), all_values=False
    )
    for line in text_lines(report.document, layout):
        assert "\x1b" not in line
    for checkpoint in checkpoints_of(artifact):
        for variable in checkpoint.variables.values():
            variable.read()
    for graph in graphs_of(artifact):
        for nodes in [graph.nodes, *(function.nodes for function in graph.functions.values())]:
            for node in nodes:
                for value in node.attrs.values():
                    if hasattr(value, "read"):
                        value.read()
    with_answer(lambda: convert(artifact))
    return artifact, report


def with_answer(call: Callable[[], object]) -> tfa.TfArtifactsError | None:
    """The error of ours that a call ends with, or None; any other passes through."""
    try:
        call()
    except tfa.TfArtifactsError as error:
        return error
    return None


def checkpoints_of(artifact: tfa.Artifact) -> list[tfa.Checkpoint]:
    match artifact:
        case tfa.Checkpoint():
            return [artifact]
        case tfa.CheckpointDirectory():
            return [*artifact.checkpoints, *artifact.unlisted]
        case tfa.SavedModel() if artifact.checkpoint is not None:
            return [artifact.checkpoint]
    return []


def graphs_of(artifact: tfa.Artifact) -> list[tfa.Graph]:
    match artifact:
        case tfa.Graph() | tfa.MetaGraph():
            return [artifact.graph]
        case tfa.SavedModel():
            return [meta_graph.graph for meta_graph in artifact.meta_graphs]
    return []


# --- random damage -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Victim:
    """A file of a fixture, and what is opened to meet its damage.

    `is_checked`: checksums cover every byte.
    """

    folder: str
    file: str
    opened: str
    is_checked: bool = False


VICTIMS = (
    Victim("digits/checkpoints", "my_model-4.index", "my_model-4", True),
    Victim("digits/checkpoints", "my_model-4.data-00000-of-00001", "my_model-4", True),
    Victim("dtypes", "dtypes.index", "dtypes", True),
    Victim("dtypes", "dtypes.data-00000-of-00001", "dtypes", True),
    Victim("partitioned", "partitioned.index", "partitioned", True),
    Victim("partitioned", "partitioned.data-00001-of-00002", "partitioned", True),
    Victim("keras", "ckpt-1.index", "ckpt-1", True),
    Victim("keras", "ckpt-1.data-00000-of-00001", "ckpt-1", True),
    Victim("v1-checkpoint", "model-3", "model-3", True),
    Victim("v1-checkpoint", "all_forms", "all_forms", True),
    Victim("v1-checkpoint", "sharded-00000-of-00002", "sharded", True),
    Victim("v1-checkpoint", "checkpoint", "checkpoint"),
    Victim("digits/checkpoints", "checkpoint", "."),
    Victim("digits/checkpoints", "my_model-4.meta", "my_model-4.meta"),
    Victim("digits/saved_model", "saved_model.pb", "."),
    Victim("keras/export", "saved_model.pb", "."),
    Victim("graphs", "frozen.pb", "frozen.pb"),
    Victim("graphs", "frozen.pbtxt", "frozen.pbtxt"),
    Victim("graphs", "model.meta", "model.meta"),
    Victim("graphs", "model.text.meta", "model.text.meta"),
    Victim("saved-models/text", "saved_model.pbtxt", "."),
)


def damaged(source: random.Random, data: bytes) -> bytes:
    """The bytes with one kind of damage at a random place."""
    changed = bytearray(data)
    start = source.randrange(len(data))
    length = source.randrange(1, 64)
    match source.randrange(8):
        case 0:
            changed[start] ^= 1 << source.randrange(8)
        case 1:
            changed[start] = source.choice((0, 1, 10, 0x7F, 0x80, 0xFF, source.randrange(256)))
        case 2:
            del changed[start:]
        case 3:
            changed[start : start + length] = bytes(len(changed[start : start + length]))
        case 4:
            del changed[start : start + length]
        case 5:
            changed[start:start] = source.randbytes(length)
        case 6:
            elsewhere = source.randrange(len(data))
            changed[start : start + length] = data[elsewhere : elsewhere + 4 * length]
        case 7:
            for _ in range(source.randrange(2, 6)):
                changed[source.randrange(len(changed))] = source.randrange(256)
    return bytes(changed)


def values_of(checkpoint: tfa.Checkpoint) -> dict[str, tuple[str, tuple[int, ...], Any]]:
    values = {}
    for name, variable in checkpoint.variables.items():
        array = variable.read()
        content = array.tolist() if array.dtype == object else array.tobytes()
        values[name] = (str(variable.dtype), variable.shape, content)
    return values


@pytest.mark.parametrize("victim", VICTIMS, ids=lambda victim: f"{victim.folder}/{victim.file}")
def test_damage_is_noticed_or_harmless(victim: Victim, fixtures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(fixtures / victim.folder, folder)
    opened = folder if victim.opened == "." else folder / victim.opened
    data = (folder / victim.file).read_bytes()
    artifact, _ = examine(opened)  # what is heavy is imported before time is taken
    values = values_of(artifact) if isinstance(artifact, tfa.Checkpoint) else {}
    source = random.Random(f"{SEED} {victim}")
    unnoticed = []
    for _ in range(CASES // len(VICTIMS)):
        changed = damaged(source, data)
        if changed == data:
            continue
        (folder / victim.file).write_bytes(changed)
        with bounded():
            error = with_answer(lambda: examine(opened))
        assert error is None or (error.path is not None and error.message)
        if victim.is_checked and error is None:
            # What may stay unnoticed is bytes behind the last tensor of a data file: nobody's.
            checkpoint = tfa.open(opened)
            assert isinstance(checkpoint, tfa.Checkpoint)
            if not changed.startswith(data) or values_of(checkpoint) != values:
                unnoticed.append(changed)
    assert not unnoticed, unnoticed[0]


def test_what_is_called_checked_reads_as_it_is(fixtures: Path) -> None:
    # A reader that refused everything would pass the test above.
    for victim in VICTIMS:
        if victim.is_checked:
            checkpoint = tfa.open(fixtures / victim.folder / victim.opened)
            assert isinstance(checkpoint, tfa.Checkpoint)
            assert values_of(checkpoint)


def test_every_flipped_bit_of_an_index_is_noticed(fixtures: Path, tmp_path: Path) -> None:
    for name in ("partitioned.index", "partitioned.data-00000-of-00002"):
        shutil.copy(fixtures / "partitioned" / name, tmp_path)
    path = tmp_path / "partitioned.index"
    data = path.read_bytes()
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(tfa.FormatError) as caught:
            tfa.open(tmp_path / "partitioned")
        assert caught.value.path == str(path)
        assert caught.value.offset is not None


# --- hostile files: more of them in tests/hostile -------------------------------------------------


def bundle(folder: Path, entries: Iterable[tuple[bytes, bytes]]) -> Path:
    """A hostile checkpoint; its prefix."""
    write_bundle(folder, entries)
    return folder / "m"


def test_a_tensor_of_a_tebibyte_is_declared_in_vain(tmp_path: Path) -> None:
    tebi = 1 << 40
    prefix = bundle(tmp_path, [(b"w", entry((tebi // 4,), size=tebi))])
    with bounded(0.5):
        checkpoint = tfa.open(prefix)
        assert isinstance(checkpoint, tfa.Checkpoint)
        (problem,) = checkpoint.problems
        assert problem.path == f"{prefix}.data-00000-of-00001"
        assert problem.offset == 64
        with pytest.raises(tfa.FormatError, match=f"expected {tebi - 64} more bytes"):
            checkpoint.variables["w"].read()


@pytest.mark.parametrize("shape", [(1,) * 65, (1,) * 254, (0, 2**62, 2**62)])
def test_a_shape_that_only_numpy_cannot_hold_is_told(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    size = 0 if 0 in shape else 4
    prefix = bundle(tmp_path, [(b"w", entry(shape, size=size, crc=crc_of(bytes(size))))])
    checkpoint = tfa.open(prefix)
    assert isinstance(checkpoint, tfa.Checkpoint)
    assert checkpoint.variables["w"].shape == shape
    with pytest.raises(tfa.UnsupportedError, match="NumPy"):
        checkpoint.variables["w"].read()


def test_a_hundred_thousand_slices_are_read_in_time(tmp_path: Path) -> None:
    number = 100_000
    slices = [(Extent(start, 1),) for start in range(number)]
    entries = [(encode_slice_key(b"w", extents), entry()) for extents in slices]
    prefix = bundle(tmp_path, [(b"w", sliced((number,), slices)), *entries])
    with bounded(20):
        checkpoint = tfa.open(prefix)
    assert isinstance(checkpoint, tfa.Checkpoint)
    assert len(checkpoint.variables["w"].slices) == number


def test_two_billion_shards_are_not_looked_for(tmp_path: Path) -> None:
    header = (b"", put_integer(1, 2**31 - 1))
    write_bundle(tmp_path, [(b"w", entry(shard=2**31 - 2))], header=header)
    prefix = tmp_path / "m"
    with bounded():
        checkpoint = tfa.open(prefix)
        assert isinstance(checkpoint, tfa.Checkpoint)
        (problem,) = checkpoint.problems
    assert problem.path == f"{prefix}.data-2147483646-of-2147483647"


def test_names_that_would_act_are_only_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [
        b"\x1b[2J\x1b]0;owned\x07",
        b"../../etc/passwd",
        b"a\0b",
        b"\xff\xfe",
        b"\r\n\x9b",
        b" ",
    ]
    entries = ((name, entry(offset=4 * place)) for place, name in enumerate(names))
    prefix = bundle(tmp_path, entries)
    artifact, report = examine(prefix)
    assert isinstance(artifact, tfa.Checkpoint)
    assert [name.encode("utf-8", "surrogateescape") for name in artifact.variables] == sorted(names)
    assert not report.damage
    before = snapshot(tmp_path)
    assert run("inspect", str(prefix)) == 0
    shown = capsys.readouterr().out
    assert not set(shown) & {"\x1b", "\x07", "\0", "\r", "\x9b"}
    assert snapshot(tmp_path) == before


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(*arguments: str) -> int:
    from tfartifacts.__main__ import run as run_command

    return run_command(list(arguments))


def graph_file(folder: Path, content: bytes, name: str = "graph.pb") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("shape", ["chain", "fan"])
def test_a_graph_of_many_nodes_takes_time_in_proportion(shape: str, tmp_path: Path) -> None:
    def seconds(number: int) -> float:
        step = 1 if shape == "chain" else 0
        nodes = [node_of(f"n{i}", "Relu", f"n{step * (i - 1)}") for i in range(1, number)]
        content = node_of("n0", "Placeholder", attrs=TYPE) + b"".join(nodes)
        path = graph_file(tmp_path, content)
        start = time.process_time()
        examine(path)
        return time.process_time() - start

    # Eight times the nodes: eight times the time, not sixty-four.
    assert seconds(80_000) < 24 * max(seconds(10_000), 0.05)


def test_a_million_nodes_are_opened_in_time(tmp_path: Path) -> None:
    content = START + b"".join(node_of(f"n{i}", "Relu", f"n{i - 1}") for i in range(1_000_000))
    path = graph_file(tmp_path, content)
    start = time.process_time()
    graph = tfa.open(path)
    assert isinstance(graph, tfa.Graph)
    assert len(graph) == 1_000_001
    assert time.process_time() - start < 15


def test_a_small_file_cannot_claim_many_values(tmp_path: Path) -> None:
    graph = tfa.open(graph_file(tmp_path, START + constant("c", (2**40,), put_bytes(5, bytes(4)))))
    assert isinstance(graph, tfa.Graph)
    with bounded():
        value = graph["c"].attrs["value"]
        assert value.shape == (2**40,)
        repeated = value.read()
    # One value seen 2^40 times, not 2^40 values.
    assert repeated.strides == (0,)


def test_an_escape_python_warns_of_is_no_warning_of_ours(tmp_path: Path) -> None:
    text = b'node { name: "x" op: "Const" attr { key: "k" value { s: "a\\Hb" } } }'
    graph = tfa.open(graph_file(tmp_path, text, "graph.pbtxt"))
    assert isinstance(graph, tfa.Graph)
    assert graph["x"].attrs["k"] == b"a\\Hb"
