"""Every manner of saving x as is, pruned, frozen: loaded in two TensorFlows, the same to the bit.

The sources are made by tests/judges/sources.py with each TensorFlow; each result is loaded by
tf.compat.v1.saved_model.load, by tf.saved_model.load, and through the C API, by the C++ loader that
TensorFlow Serving uses (tests/judges/c_api.py; strings too). What a result must give is what its
source gives in the same TensorFlow.

Frozen graphs, too, though TensorFlow may fold constants otherwise than variables: where it does,
the last bits differ (test_conversion_tensorflow.py, a third of a training checkpoint).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tfartifacts as tfa
from tests.conversion import (
    KINDS,
    LOADERS,
    MODES,
    NOT_FROZEN,
    Source,
    assert_same,
    export,
    load_and_run,
    run_source,
    same_bits,
)
from tests.judges.client import Array, Judge, JudgeError
from tfartifacts.convert import SavedModelOptions, SignatureNames, convert

# Kinds whose frozen graph needs no init op.
ALONE = (
    *("ref", "res", "part", "part1", "sharded3", "gpu", "v1_format", "dtypes", "embedding"),
    *("control", "references", "batch_norm"),
)
# Kinds with something else for the new saver to restore and save.
BACK = (
    *("ref", "res", "part", "part1", "sharded3", "ema", "v1_format", "v1_part", "dtypes"),
    *("mutable", "embedding"),
)


def loaders_for(version: str, kind: str, mode: str) -> tuple[str, ...]:
    if (version, kind) == ("1.15", "references") and mode != "frozen":
        # Also of the training graph as it is it loses a reference on the way, at random.
        return tuple(loader for loader in LOADERS if loader != "v2")
    return LOADERS


def training_nodes(model: tfa.SavedModel) -> list[str]:
    """The nodes that an optimizer has left.

    Of gradients it is not said: While hands on to them what it computed, in lists they made.
    """
    marks = ("Adam", "beta1_power", "global_step")
    return [
        node.name
        for node in model.meta_graphs[0].graph.nodes
        if any(mark in node.name for mark in marks)
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("written_by", ["1.15", "2.21"])
def test_outputs_are_the_same(
    request: pytest.FixtureRequest,
    tensorflow_2_21: Judge,
    tmp_path: Path,
    written_by: str,
    kind: str,
    mode: str,
) -> None:
    sources = request.getfixturevalue(f"sources_{written_by.replace('.', '_')}")
    source = sources[kind]
    judges = {"2.21": tensorflow_2_21}
    if written_by == "1.15":
        judges["1.15"] = request.getfixturevalue("tensorflow_1_15")
    folder = tmp_path / "export"
    if mode == "frozen" and kind in NOT_FROZEN:
        with pytest.raises(tfa.ConversionError, match=NOT_FROZEN[kind]):
            export(source, folder, mode)
        return
    model = export(source, folder, mode)
    for version, judge in judges.items():
        loaders = loaders_for(version, kind, mode)
        found = load_and_run(judge, folder, source.by_key(), loaders=loaders)
        assert_same(found, run_source(judge, source))
    assert bool(training_nodes(model)) == (mode == "as is")
    graph = model.meta_graphs[0].graph
    inside = [node for function in graph.functions.values() for node in function.nodes]
    assert not [node.name for node in (*graph.nodes, *inside) if node.device]
    assert (folder / "variables").exists() == (mode != "frozen")


@pytest.mark.parametrize("kind", KINDS)
def test_what_2_21_wrote_loads_in_1_15(
    sources_2_21: dict[str, Source], tensorflow_1_15: Judge, tmp_path: Path, kind: str
) -> None:
    """As is, pruned and frozen the same to the bit; close to what 2.21 computed.

    1.15 does not read the source itself. And another TensorFlow multiplies in another order.
    """
    source = sources_2_21[kind]
    first: dict[str, Array] | None = None
    for mode in MODES:
        if mode == "frozen" and kind in NOT_FROZEN:
            continue
        folder = tmp_path / mode
        model = export(source, folder, mode, for_tensorflow="1.15")
        assert not [note for note in model.notes if "1.15" in note]
        found = load_and_run(
            tensorflow_1_15,
            folder,
            source.by_key(),
            loaders=loaders_for("1.15", kind, mode),
        )
        first = first or found["v1"]
        assert_same(found, first)
    assert first is not None
    for key, value in source.fetches.items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(first[key], value, rtol=1e-5, atol=1e-5)
        else:
            assert same_bits(first[key], value)


def test_the_c_loader_finds_what_the_loader_of_tensorflow_2_hides(
    sources_1_15: dict[str, Source], tensorflow: Judge, tmp_path: Path
) -> None:
    """Without an init op in the meta graph that one initialises tables by their collection."""
    source = sources_1_15["table"]
    model = export(source, tmp_path / "export", "as is")
    meta_graph = model.meta_graphs[0]
    collections = dict(meta_graph.collections)
    del collections["saved_model_main_op"]
    without = replace(model, meta_graphs=(replace(meta_graph, collections=collections),))
    tfa.save(without, tmp_path / "without")
    found = load_and_run(tensorflow, tmp_path / "without", source.by_key(), loaders=("v2",))
    assert_same(found, run_source(tensorflow, source))
    with pytest.raises(JudgeError, match=r"^FailedPreconditionError: .*[Tt]able not initialized"):
        tensorflow.run_saved_model_c(tmp_path / "without", ["serve"], source.by_key())
    with pytest.raises(JudgeError, match=r"NotFoundError: .*train"):
        tensorflow.run_saved_model_c(tmp_path / "without", ["train"], source.by_key())


def test_without_adapting_2_21_is_not_read_by_1_15(
    sources_2_21: dict[str, Source], tensorflow_1_15: Judge, tmp_path: Path
) -> None:
    """Why the test before cannot run its sources, and what for_tensorflow is for."""
    with pytest.raises(JudgeError, match="debug_name"):
        run_source(tensorflow_1_15, sources_2_21["res"])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["ref", "res", "part"])
def test_several_signatures_and_an_input_inside_the_graph(
    sources_1_15: dict[str, Source], tensorflow: Judge, tmp_path: Path, kind: str, mode: str
) -> None:
    source = sources_1_15[kind]
    folder = tmp_path / "export"
    checkpoint = tfa.open(source.prefix)
    assert isinstance(checkpoint, tfa.Checkpoint)
    model = tfa.checkpoint_to_saved_model(
        checkpoint,
        signatures={
            "serving_default": SignatureNames({"x": "x:0"}, {"y": "y:0"}),
            "head": SignatureNames({"x": "x:0"}, {"h": "hidden:0"}),
            "tail": SignatureNames({"h": "hidden:0"}, {"y": "y:0"}),
        },
        keep_training_graph=mode == "as is",
        freeze=mode == "frozen",
    )
    tfa.save(model, folder)
    whole = run_source(tensorflow, source)
    assert_same(load_and_run(tensorflow, folder, source.by_key()), whole)
    hidden = tensorflow.run_checkpoint(source.prefix, source.feeds, ["hidden:0"])["hidden:0"]
    head = load_and_run(tensorflow, folder, source.by_key(), "head")
    assert_same(head, {"h": hidden})
    halved = tensorflow.run_checkpoint(source.prefix, {"hidden:0": hidden / 2}, ["y:0"])["y:0"]
    tail = load_and_run(tensorflow, folder, {"h": hidden / 2}, "tail")
    assert_same(tail, {"y": halved})


@pytest.mark.parametrize("kind", ["ref", "ema"])
def test_saved_model_cli_runs_it(
    sources_1_15: dict[str, Source], tensorflow: Judge, tmp_path: Path, kind: str
) -> None:
    source = sources_1_15[kind]
    export(source, tmp_path / "export", "pruned")
    (tmp_path / "out").mkdir()
    inputs = []
    for key, value in source.by_key().items():
        np.save(tmp_path / f"{key}.npy", value)
        inputs.append(f"{key}={tmp_path / key}.npy")
    run = tensorflow.saved_model_cli(
        [
            *("run", "--dir", tmp_path / "export", "--tag_set", "serve"),
            *("--signature_def", "serving_default", "--inputs", ";".join(inputs)),
            *("--outdir", tmp_path / "out"),
        ]
    )
    assert run.returncode == 0, run.stderr
    expected = run_source(tensorflow, source)["y"]
    assert same_bits(np.load(tmp_path / "out" / "y.npy"), expected)


@pytest.mark.parametrize("kind", ALONE)
def test_a_frozen_graph_alone_gives_the_same_and_becomes_a_saved_model(
    sources_1_15: dict[str, Source], tensorflow: Judge, tmp_path: Path, kind: str
) -> None:
    source = sources_1_15[kind]
    outputs = {key: f"{key}:0" for key in source.fetches}
    frozen = convert(
        tfa.open(source.prefix),
        to="graph-def",
        inputs=source.keys,
        outputs=outputs,
        options=SavedModelOptions(placeholders=source.constants),
    )
    assert isinstance(frozen, tfa.Graph)
    tfa.save(frozen, tmp_path / "frozen.pb")
    expected = run_source(tensorflow, source)
    alone = tensorflow.run_graph_def(
        tmp_path / "frozen.pb", source.feeds, [f"{key}:0" for key in expected]
    )
    assert_same({"graph": {name.partition(":")[0]: alone[name] for name in alone}}, expected)
    again = convert(tfa.open(tmp_path / "frozen.pb"), inputs=source.keys, outputs=outputs)
    tfa.save(again, tmp_path / "again")
    assert_same(load_and_run(tensorflow, tmp_path / "again", source.by_key()), expected)


@pytest.mark.parametrize("kind", BACK)
def test_a_pruned_saved_model_becomes_a_checkpoint_again(
    sources_1_15: dict[str, Source], tensorflow: Judge, tmp_path: Path, kind: str
) -> None:
    """Its new saver saves and restores, and its collections of variables are in order."""
    source = sources_1_15[kind]
    export(source, tmp_path / "export", "pruned")
    model = tfa.open(tmp_path / "export")
    assert isinstance(model, tfa.SavedModel)
    prefix = tmp_path / "back" / "model"
    tfa.save(tfa.saved_model_to_checkpoint(model), prefix)
    expected = run_source(tensorflow, source)
    again = tmp_path / "again"
    again.mkdir()
    found = tensorflow.run_checkpoint(
        prefix,
        source.feeds,
        [f"{key}:0" for key in expected],
        initialize_tables=True,
        save_to=again / "model",
    )
    assert_same({"checkpoint": {name.partition(":")[0]: found[name] for name in found}}, expected)
    before, after = (tensorflow.list_checkpoint(path) for path in (prefix, again / "model"))
    assert after.keys() == before.keys()
    for key, listed in before.items():
        # The entries of a table come in no order.
        if not key.startswith("words"):
            assert after[key] == listed
