"""State that no saver restores, and files that graphs read: what becomes of them in a SavedModel.

The sources are made by tests/judges/state.py with each TensorFlow.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tfartifacts as tfa
from tests.conversion import Source, read_source, same_bits
from tests.judges.client import PROJECT, Judge, environment
from tfartifacts.__main__ import run
from tfartifacts.convert import SavedModelOptions, convert
from tfartifacts.dtypes import STRING
from tfartifacts.graphs.assets import asset_names
from tfartifacts.model.graphs import Constant
from tfartifacts.model.saved_models import Collection

CONVERTED = (
    *("two_tensors_one_file", "two_files_one_name", "placeholder_with_default", "key_value"),
    *("index_table", "init_op_there", "half_an_init_op", "iterator", "batch_of_an_iterator"),
    *("queue", "local_variables", "unsaved_constant", "is_initialized", "local_resources"),
    *("state_of_state", "one_name_two_kinds", "restored_in_parts", "reshaped"),
    "unsaved_constant_of_another_saver",
)
NOT_FROZEN = {
    "restored_in_parts": (
        "gives parts a value that is computed of 'parts/first' and perhaps others, expected the "
        "value itself in the checkpoint: it cannot be frozen"
    )
}
REFUSED = {
    "one_shot_iterator": r"OneShotIterator\), .* name a tensor behind it as an input",
    "unsaved_trainable": r"found lost \(VariableV2\), .*; it is trained, and its value is not in",
    "unsaved_random": r"found lost \(VariableV2\), .*; its initialiser draws random numbers, and",
    "unsaved_statistics": r"found bn/mean \(changed by AssignSub\), bn/moving_variance \(by its "
    r"name a statistic\), .* expected them in the checkpoint: .*; save all variables",
    "unsaved_changed": r"found lost \(changed by AssignVariableOp\w*\), which the outputs need, tr",
    "needs_feeding": r"found sized \(VariableV2\), .*; 'sized/Assign' needs size:0, which no load",
}


def _states(judge: Judge, factory: pytest.TempPathFactory, name: str) -> dict[str, Source]:
    """Every kind, made once for all workers of a session."""
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder = folder / name
    folder.mkdir(exist_ok=True)
    kinds = [*CONVERTED, *REFUSED]
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            script = PROJECT / "tests" / "judges" / "state.py"
            subprocess.run(
                [judge.python, os.fspath(script), os.fspath(folder), *kinds],
                check=True,
                capture_output=True,
                env=environment(),
                timeout=300,
            )
            (folder / "made").touch()
    return {kind: read_source(folder / kind) for kind in kinds}


@pytest.fixture(scope="session")
def states_1_15(
    tensorflow_1_15: Judge, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Source]:
    return _states(tensorflow_1_15, tmp_path_factory, "states_1_15")


@pytest.fixture(scope="session")
def states_2_21(
    tensorflow_2_21: Judge, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Source]:
    return _states(tensorflow_2_21, tmp_path_factory, "states_2_21")


def arguments_for(source: Source, prefix: Path, destination: Path) -> list[str]:
    inputs = [f"--inputs={key}={tensor}" for key, tensor in source.keys.items()]
    return ["convert", str(prefix), str(destination), *inputs, "--outputs", "y:0"]


def assert_computes_the_same(judge: Judge, source: Source, folder: Path) -> None:
    by_v1 = judge.run_saved_model_v1(
        folder, ["serve"], source.by_key(), signature="serving_default"
    )
    by_v2 = judge.run_saved_model_v2(folder, source.by_key())
    assert same_bits(by_v1["y"], source.fetches["y"])
    assert same_bits(by_v2["y"], source.fetches["y"])


@pytest.mark.parametrize("kind", CONVERTED)
@pytest.mark.parametrize("mode", ["pruned", "frozen"])
def test_state_is_what_it_was_in_a_session(
    states_1_15: dict[str, Source],
    states_2_21: dict[str, Source],
    tensorflow_1_15: Judge,
    tensorflow_2_21: Judge,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    mode: str,
) -> None:
    for states, judges in (
        (states_1_15, [tensorflow_1_15, tensorflow_2_21]),
        (states_2_21, [tensorflow_2_21]),
    ):
        source = states[kind]
        # What was made from a copy must not read the copy's files.
        copy = tmp_path / "copy"
        shutil.copytree(source.folder, copy)
        folder = tmp_path / f"export{len(judges)}"
        follow = [] if mode == "pruned" else ["--freeze"]
        # The graph names files in the folder it was made in.
        arguments = [*arguments_for(source, copy / "model", folder), *follow, "--follow-external"]
        refused = mode == "frozen" and kind in NOT_FROZEN
        assert run(arguments) == (2 if refused else 0)
        shutil.rmtree(copy)
        if refused:
            assert NOT_FROZEN[kind] in capsys.readouterr().err
            continue
        for judge in judges:
            assert_computes_the_same(judge, source, folder)


@pytest.mark.parametrize("kind", REFUSED)
def test_state_that_cannot_be_given_back_is_refused(
    states_1_15: dict[str, Source], states_2_21: dict[str, Source], kind: str
) -> None:
    for states in (states_1_15, states_2_21):
        source = states[kind]
        with pytest.raises(tfa.ConversionError, match=REFUSED[kind]):
            convert(tfa.open(source.prefix), inputs=source.keys, outputs={"y": "y:0"})


def test_what_state_becomes_is_noted(states_1_15: dict[str, Source]) -> None:
    def notes(kind: str) -> tuple[str, ...]:
        source = states_1_15[kind]
        return convert(tfa.open(source.prefix), inputs=source.keys, outputs={"y": "y:0"}).notes

    assert notes("unsaved_constant") == (
        "variable fixed starts as its initialiser makes it: the saver does not restore it",
    )
    assert notes("iterator") == (
        "each call takes the next element of IteratorV2 (IteratorV2), until there is none; to feed "
        "the outputs instead, name a tensor behind it as an input",
    )
    assert notes("local_variables") == ()
    assert notes("batch_of_an_iterator") == ()


def test_an_init_op_that_does_it_all_is_kept_and_another_is_run_by_ours(
    states_1_15: dict[str, Source],
) -> None:
    def init_op(kind: str) -> tuple[str | None, tuple[str, ...]]:
        source = states_1_15[kind]
        made = convert(tfa.open(source.prefix), inputs=source.keys, outputs={"y": "y:0"})
        assert isinstance(made, tfa.SavedModel)
        (meta_graph,) = made.meta_graphs
        assert meta_graph.init_op is not None
        lists = {key for key in meta_graph.collections if key.endswith("_op")}
        assert len(lists) == 1
        return meta_graph.init_op, meta_graph.graph[meta_graph.init_op].inputs

    name, _ = init_op("init_op_there")
    assert name == "mine"
    name, runs = init_op("half_an_init_op")
    assert name == "saved_model_init"
    assert runs[0] == "^mine"
    assert len(runs) == 2


def test_two_main_ops_are_refused(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fixtures / "tensorflow-1.15" / "ref"
    shutil.copytree(folder, tmp_path / "ref")
    meta = tfa.open(folder / "model.ckpt-5.meta")
    assert isinstance(meta, tfa.MetaGraph)
    names = Collection("node_list", ("init", "init_1"))
    two = replace(meta, collections={**meta.collections, "saved_model_main_op": names})
    (tmp_path / "ref" / "model.ckpt-5.meta").unlink()
    tfa.save(two, tmp_path / "ref" / "model.ckpt-5.meta")
    arguments = ["convert", str(tmp_path / "ref"), str(tmp_path / "export"), "--outputs", "y:0"]
    assert run(arguments) == 2
    assert capsys.readouterr().err == (
        "tfartifacts: error: found 2 ops in collection 'saved_model_main_op' (init, init_1), "
        "expected one: loaders refuse more\n"
    )
    assert not (tmp_path / "export").exists()


def test_an_init_op_that_is_not_there_is_refused(fixtures: Path) -> None:
    checkpoint = tfa.open(fixtures / "tensorflow-1.15" / "ref" / "model.ckpt-5")
    assert isinstance(checkpoint, tfa.Checkpoint)
    assert checkpoint.meta_graph is not None
    names = Collection("node_list", ("initt",))
    graph = replace(checkpoint.meta_graph, collections={"saved_model_main_op": names})
    options = SavedModelOptions(meta_graph=graph)
    with pytest.raises(tfa.NameNotFoundError, match="no init op 'initt'; did you mean 'init'"):
        convert(checkpoint, outputs={"y": "y:0"}, options=options)


# --- files ---------------------------------------------------------------------------------------

WORDS = np.array([b"b", b"x"], object)


@pytest.fixture
def table(fixtures: Path, tmp_path: Path) -> Path:
    """A checkpoint whose graph reads vocab.txt, which lies beside it."""
    folder = tmp_path / "source"
    shutil.copytree(fixtures / "tensorflow-1.15" / "table", folder)
    return folder


def records(folder: Path, path: str) -> None:
    """Make the graph of the checkpoint read another path."""
    (meta_path,) = folder.glob("*.meta")
    meta = tfa.open(meta_path)
    assert isinstance(meta, tfa.MetaGraph)
    value = Constant(STRING, (), (os.fsencode(path),))
    nodes = [
        replace(node, attrs={"dtype": STRING, "value": value})
        if node.name == "vocab_path"
        else node
        for node in meta.graph
    ]
    meta_path.unlink()
    tfa.save(replace(meta, graph=replace(meta.graph, nodes=nodes)), meta_path)


def convert_table(folder: Path, destination: Path, *more: str) -> int:
    arguments = ["convert", str(folder), str(destination), "--inputs", "s", "--outputs", "idx"]
    return run([*arguments, *more])


def assert_reads_its_own(judge: Judge, folder: Path) -> None:
    found = judge.run_saved_model_v2(folder, {"s": WORDS})
    assert found["idx"].tolist() == [1, -1]


def test_a_stale_path_is_looked_for_beside_the_checkpoint(
    table: Path, tmp_path: Path, tensorflow: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert_table(table, tmp_path / "export") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"assets/vocab.txt is {table}/vocab.txt (recorded as /home/me/" in printed
    shutil.rmtree(table)
    assert_reads_its_own(tensorflow, tmp_path / "export")


def test_a_windows_path_too(table: Path, tmp_path: Path, tensorflow_2_21: Judge) -> None:
    records(table, "C:\\runs\\7\\vocab.txt")
    assert convert_table(table, tmp_path / "export") == 0
    assert sorted(os.listdir(tmp_path / "export" / "assets")) == ["vocab.txt"]
    assert_reads_its_own(tensorflow_2_21, tmp_path / "export")


def test_a_path_relative_to_the_checkpoint_is_found(
    table: Path, tmp_path: Path, tensorflow_2_21: Judge
) -> None:
    records(table, "data/vocab.txt")
    (table / "data").mkdir()
    (table / "vocab.txt").rename(table / "data" / "vocab.txt")
    assert convert_table(table, tmp_path / "export") == 0
    assert_reads_its_own(tensorflow_2_21, tmp_path / "export")


def test_a_missing_file_is_named_and_can_be_given(
    table: Path, tmp_path: Path, tensorflow: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    (table / "vocab.txt").rename(tmp_path / "words")
    assert convert_table(table, tmp_path / "export") == 2
    assert capsys.readouterr().err == (
        "tfartifacts: error: found no file there, nor beside the source that the graph reads as "
        "'/home/me/runs/c115_table/vocab.txt', expected it for assets/; pass --asset "
        "vocab.txt=PATH\n"
    )
    assert not (tmp_path / "export").exists()
    asset = f"vocab.txt={tmp_path / 'words'}"
    assert convert_table(table, tmp_path / "export", "--asset", asset) == 0
    assert_reads_its_own(tensorflow, tmp_path / "export")
    asset = f"/home/me/runs/c115_table/vocab.txt={tmp_path / 'gone'}"
    assert convert_table(table, tmp_path / "other", "--asset", asset) == 2
    assert f"found no file at {tmp_path}/gone that" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["absolute", "upwards", "link", "link to a folder"])
def test_a_path_that_leads_elsewhere_is_not_followed(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """Who made the graph chose the path: /etc/passwd would end up in what is published."""
    secret = tmp_path / "secret" / "words"
    secret.parent.mkdir()
    (table / "vocab.txt").rename(secret)
    inside = table / "vocab.txt"
    match how:
        case "absolute":
            records(table, str(secret))
        case "upwards":
            records(table, "x/../../secret/words")
            (table / "x").mkdir()
        case "link":
            inside.symlink_to(secret)
        case _:
            records(table, "data/words")
            (table / "data").symlink_to(secret.parent)
    assert convert_table(table, tmp_path / "export") == 2
    message = capsys.readouterr().err
    assert f"found a file that the graph reads outside of {table}" in message
    assert "--follow-external" in message
    assert not (tmp_path / "export").exists()
    assert convert_table(table, tmp_path / "export", "--follow-external") == 0
    (copied,) = (tmp_path / "export" / "assets").iterdir()
    assert copied.read_bytes() == secret.read_bytes()
    assert not copied.is_symlink()
    named = f"{'vocab.txt' if how == 'link' else 'words'}={secret}"
    assert convert_table(table, tmp_path / "given", "--asset", named) == 0


def test_a_file_beside_the_checkpoint_and_one_at_the_recorded_path_are_unclear(
    table: Path, tmp_path: Path, tensorflow_2_21: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "elsewhere" / "vocab.txt"
    other.parent.mkdir()
    other.write_text("x\ny\nb\n")
    records(table, str(other))
    assert convert_table(table, tmp_path / "export") == 2
    assert capsys.readouterr().err == (
        f"tfartifacts: error: found {other}, which the graph reads as '{other}', and "
        f"{table}/vocab.txt: which is meant is unclear; pass --asset {other}={table}/vocab.txt, or "
        f"--follow-external to take {other}\n"
    )
    assert not (tmp_path / "export").exists()
    assert convert_table(table, tmp_path / "export", f"--asset={other}={table}/vocab.txt") == 0
    assert_reads_its_own(tensorflow_2_21, tmp_path / "export")
    assert convert_table(table, tmp_path / "recorded", "--follow-external") == 0
    assert (tmp_path / "recorded" / "assets" / "vocab.txt").read_text() == "x\ny\nb\n"


def test_two_names_of_one_file_are_not_unclear(table: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "vocab.txt"
    other.parent.mkdir()
    other.hardlink_to(table / "vocab.txt")
    records(table, str(other))
    assert convert_table(table, tmp_path / "export") == 0


def test_files_of_one_name_are_told_apart_by_their_paths(
    states_1_15: dict[str, Source], tensorflow_1_15: Judge, tmp_path: Path
) -> None:
    source = states_1_15["two_files_one_name"]
    checkpoint = tfa.open(source.prefix)
    other = tmp_path / "other"
    other.write_text("x\n")

    def made(assets: dict[str, str]) -> tfa.SavedModel:
        result = convert(
            checkpoint,
            inputs=source.keys,
            outputs={"y": "y:0"},
            options=SavedModelOptions(assets=assets),
        )
        assert isinstance(result, tfa.SavedModel)
        return result

    one, two = source.folder / "one" / "vocab.txt", source.folder / "two" / "vocab.txt"
    with pytest.raises(tfa.ConversionError, match=f"'vocab.txt', which 2 files are called.*{one}"):
        made({"vocab.txt": str(other)})
    assets = {asset.filename: asset for asset in made({str(two): str(other)}).assets}
    assert assets["vocab.txt"].file is not None
    assert assets["vocab.txt"].file.path == str(one)
    assert assets["vocab_1.txt"].file is not None
    assert assets["vocab_1.txt"].file.path == str(other)
    tfa.save(made({str(two): str(other)}), tmp_path / "export")
    found = tensorflow_1_15.run_saved_model_v2(tmp_path / "export", source.by_key())
    # b is the second word of the first file; x the first of the other.
    assert found["y"].tolist() == [1 * 10 - 1, -1 * 10 + 0]


def test_a_saved_model_made_of_a_saved_model_has_its_files(
    table: Path, tmp_path: Path, tensorflow_2_21: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert_table(table, tmp_path / "first") == 0
    again = ["convert", str(tmp_path / "first"), "--to", "saved-model"]
    assert run([*again, str(tmp_path / "second")]) == 0
    assert_reads_its_own(tensorflow_2_21, tmp_path / "second")
    words = tmp_path / "words"
    words.write_text("x\nb\n")
    assert run([*again, str(tmp_path / "third"), "--asset", f"vocab.txt={words}"]) == 0
    found = tensorflow_2_21.run_saved_model_v2(tmp_path / "third", {"s": WORDS})
    assert found["idx"].tolist() == [1, 0]
    capsys.readouterr()
    (tmp_path / "first" / "assets" / "vocab.txt").unlink()
    (tmp_path / "first" / "assets" / "vocab.txt").symlink_to(words)
    assert run([*again, str(tmp_path / "fourth")]) == 2
    assert f"outside of {tmp_path}/first" in capsys.readouterr().err
    (tmp_path / "first" / "assets" / "vocab.txt").unlink()
    assert run([*again, str(tmp_path / "fourth")]) == 2
    assert "found no file in the assets/ of the graph that the graph reads as 'vocab.txt'" in (
        capsys.readouterr().err
    )


def test_a_graph_from_a_saved_model_brings_its_files(
    table: Path, tmp_path: Path, tensorflow_2_21: Judge
) -> None:
    assert convert_table(table, tmp_path / "first", "--keep-training-graph") == 0
    for path in [*table.glob("*.meta"), table / "vocab.txt"]:
        path.unlink()
    graph = str(tmp_path / "first")
    assert convert_table(table, tmp_path / "export", "--graph", graph) == 0
    assert_reads_its_own(tensorflow_2_21, tmp_path / "export")


@pytest.mark.parametrize("form", ["pb", "pbtxt"])
def test_a_frozen_graph_with_a_table_becomes_a_saved_model(
    table: Path, tmp_path: Path, tensorflow: Judge, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """A GraphDef has no collections: the table's initialiser is what takes the table."""
    made = convert(tfa.open(table), inputs={"s": "s:0"}, outputs={"idx": "idx:0"})
    assert isinstance(made, tfa.SavedModel)
    graph = made.meta_graphs[0].graph
    kept = [node for node in graph if node.op != "NoOp"]
    alone = tmp_path / "alone"
    alone.mkdir()
    tfa.save(replace(graph, nodes=kept), alone / "frozen.pb")
    if form == "pbtxt":
        tensorflow.ask(
            "convert_proto",
            kind="GraphDef",
            path=alone / "frozen.pb",
            destination=alone / "frozen.pbtxt",
            text=True,
        )
    source = alone / f"frozen.{form}"
    assert convert_table(source, tmp_path / "export") == 2
    assert "pass --asset vocab.txt=PATH" in capsys.readouterr().err
    shutil.copy(table / "vocab.txt", alone)
    assert convert_table(source, tmp_path / "export") == 0
    asset = f"vocab.txt={table / 'vocab.txt'}"
    assert convert_table(source, tmp_path / "given", "--asset", asset) == 0
    shutil.rmtree(table)
    shutil.rmtree(alone)
    assert_reads_its_own(tensorflow, tmp_path / "export")
    assert_reads_its_own(tensorflow, tmp_path / "given")


def test_an_asset_that_nothing_reads_is_refused(fixtures: Path) -> None:
    source = tfa.open(fixtures / "tensorflow-1.15" / "ref" / "model.ckpt-5")
    options = SavedModelOptions(assets={"a": "b"})
    with pytest.raises(tfa.ConversionError, match=r"found asset 'a', expected one that .*none"):
        convert(source, outputs={"y": "y:0"}, options=options)


def test_asset_names_are_safe_and_unique() -> None:
    paths = ["/a/v.txt", "/b/V.txt", "C:\\data\\v.txt", "..", "/x/", "/a/v.txt", "/c/a:b", "a\0b"]
    assert list(asset_names(paths).values()) == [
        "v.txt",
        "V_1.txt",
        "v_2.txt",
        "asset",
        "asset_1",
        "a_b",
        "a_b_1",
    ]
    long = list(asset_names(["/x/" + "ü" * 200 + ".txt", "/y/" + "ü" * 200 + ".txt"]).values())
    assert [len(os.fsencode(name)) <= 255 for name in long] == [True, True]
    assert len(set(long)) == 2
