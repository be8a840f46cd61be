"""SavedModel -> checkpoint, held against TensorFlow; and the state file beside the result."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tests.judges.client import Judge, environment
from tfartifacts.convert.variable_names import with_variable_names
from tfartifacts.formats.checkpoint_state import read_checkpoint_state
from tfartifacts.model.saved_models import Collection
from tfartifacts.model.values import Always, Deferred

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def same_bits(first: Any, second: Any) -> bool:
    return bool(
        first.dtype == second.dtype
        and first.shape == second.shape
        and first.tobytes() == second.tobytes()
    )


def saved_model(path: Path) -> tfa.SavedModel:
    model = tfa.open(path)
    assert isinstance(model, tfa.SavedModel)
    return model


def convert(source: Path, prefix: Path, **options: Any) -> tfa.Checkpoint:
    checkpoint = tfa.saved_model_to_checkpoint(saved_model(source), **options)
    tfa.save(checkpoint, prefix)
    return checkpoint


def state(folder: Path) -> tuple[str, tuple[str, ...]]:
    found = read_checkpoint_state((folder / "checkpoint").read_bytes())
    return found.latest_path, found.all_paths


# --- TensorFlow 1 --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "tags"),
    [("two_meta_graphs", "serve"), ("two_meta_graphs", "serve+gpu"), ("text", "serve")],
)
def test_a_table_finds_its_asset_beside_the_checkpoint(
    tensorflow: Judge, fixtures: Path, tmp_path: Path, folder: str, tags: str
) -> None:
    source = tmp_path / "source"
    shutil.copytree(fixtures / "saved-models" / folder, source)
    prefix = tmp_path / "restored" / "model-1"
    made = convert(source, prefix, tags=set(tags.split("+")))
    shutil.rmtree(source)
    assert (tmp_path / "restored" / "model-1.assets" / "vocabulary.txt").read_text() == "a\nb\nc\n"
    assert any("tables_initializer" in note for note in made.notes)
    assert any("absolute paths" in note for note in made.notes)
    values = np.load(fixtures / "saved-models" / "expected.npz")
    feeds = {
        "x:0": values[f"{folder}/{tags}/serving_default/x"],
        "words:0": values[f"{folder}/{tags}/lookup/words"].astype(object),
    }
    found = tensorflow.run_checkpoint(prefix, feeds, ["y:0", "ids:0"], initialize_tables=True)
    assert found["ids:0"].tolist() == values[f"{folder}/{tags}/lookup/ids"].tolist()
    assert found["y:0"] == pytest.approx(values[f"{folder}/{tags}/serving_default/y"], rel=1e-6)
    described = tensorflow.describe_meta_graph(str(prefix) + ".meta")
    assert described["assets"] == []
    assert described["collections"]["asset_filepaths"]["n"] >= 1


def test_the_tables_are_initialised_with_all_that_the_init_op_does(fixtures: Path) -> None:
    """Such as local variables, of which the collection of table initialisers does not know."""
    model = saved_model(fixtures / "saved-models" / "text")
    (meta_graph,) = model.meta_graphs
    assert meta_graph.init_op is not None

    def initializers(names: tuple[str, ...]) -> tuple[str, ...]:
        listed = {"table_initializer": Collection("node_list", names)} if names else {}
        changed = replace(meta_graph, collections={**meta_graph.collections, **listed})
        made = tfa.saved_model_to_checkpoint(replace(model, meta_graphs=(changed,)))
        assert made.meta_graph is not None
        return made.meta_graph.collections["table_initializer"].values

    own = meta_graph.collections["table_initializer"].values
    assert initializers(()) == own
    assert initializers(("x",)) == ("x", meta_graph.init_op)


def test_an_init_op_that_is_not_there_is_refused(fixtures: Path) -> None:
    model = saved_model(fixtures / "saved-models" / "text")
    (meta_graph,) = model.meta_graphs
    collections = {
        key: Collection("node_list", ("init_tablet",)) if "main_op" in key else collection
        for key, collection in meta_graph.collections.items()
    }
    changed = replace(model, meta_graphs=(replace(meta_graph, collections=collections),))
    with pytest.raises(tfa.NameNotFoundError, match="no init op 'init_tablet'; did you mean"):
        tfa.saved_model_to_checkpoint(changed)


def test_an_asset_that_is_missing_is_refused(fixtures: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(fixtures / "saved-models" / "two_meta_graphs", source)
    (source / "assets" / "vocabulary.txt").unlink()
    with pytest.raises(tfa.ConversionError, match=r"found no assets/vocabulary\.txt"):
        tfa.saved_model_to_checkpoint(saved_model(source), {"serve"})


def test_without_variables_there_is_only_the_meta_file(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    source = fixtures / "saved-models" / "no_variables"
    made = convert(source, tmp_path / "out" / "model")
    assert made.notes[0].startswith("no variables: only the .meta")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["model.meta"]
    values = np.load(fixtures / "saved-models" / "expected.npz")
    x = values["no_variables/serve/serving_default/x"]
    expected = tensorflow.run_saved_model_v1(
        source, ["serve"], {"x": x}, signature="serving_default"
    )
    found = tensorflow.run_checkpoint(tmp_path / "out" / "model", {"x:0": x}, ["y:0"])
    assert same_bits(found["y:0"], expected["y"])


def test_lost_variables_are_not_taken_for_none(fixtures: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(fixtures / "saved-models" / "simple_resource", source)
    shutil.rmtree(source / "variables")
    with pytest.raises(tfa.ConversionError, match="copy the folder variables/"):
        tfa.saved_model_to_checkpoint(saved_model(source))


@pytest.mark.parametrize("name", ["simple_resource", "simple_partitioned"])
def test_simple_save_comes_back(
    tensorflow_2_21: Judge, fixtures: Path, tmp_path: Path, name: str
) -> None:
    source = fixtures / "saved-models" / name
    convert(source, tmp_path / "out" / "model-7")
    x = np.load(fixtures / "saved-models" / "expected.npz")[f"{name}/serve/serving_default/x"]
    expected = tensorflow_2_21.run_saved_model_v1(
        source, ["serve"], {"x": x}, signature="serving_default"
    )
    latest = tensorflow_2_21.latest_checkpoint(tmp_path / "out")
    assert latest == str(tmp_path / "out" / "model-7")
    found = tensorflow_2_21.run_checkpoint(latest, {"x:0": x}, ["y:0"])
    assert same_bits(found["y:0"], expected["y"])


# --- TensorFlow 2 --------------------------------------------------------------------------------

RESTORE = """
import sys
import numpy as np
import tensorflow as tf
sys.path.insert(0, sys.argv[1])
from make_keras import Scale
module = Scale()
module.kernels[0].assign(tf.zeros_like(module.kernels[0]))
status = tf.train.Checkpoint(module).read(sys.argv[2])
status.assert_existing_objects_matched()
x = np.load(sys.argv[1] + "/expected.npz")["x"]
np.save(sys.argv[3], module.serve(x)["y"].numpy())
"""


def test_an_object_based_saved_model_restores_into_its_objects(
    tensorflow_2_21: Judge, fixtures: Path, tmp_path: Path
) -> None:
    keras = fixtures / "keras"
    made = convert(keras / "saved_model", tmp_path / "out" / "ckpt-3")
    assert made.meta_graph is None
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "checkpoint",
        "ckpt-3.data-00000-of-00001",
        "ckpt-3.index",
    ]
    assert tensorflow_2_21.latest_checkpoint(tmp_path / "out") == str(tmp_path / "out" / "ckpt-3")
    arguments = [str(keras), str(tmp_path / "out" / "ckpt-3"), str(tmp_path / "y.npy")]
    subprocess.run(
        [tensorflow_2_21.python, "-c", RESTORE, *arguments],
        env=environment(),
        check=True,
        timeout=120,
    )
    assert same_bits(np.load(tmp_path / "y.npy"), np.load(keras / "expected.npz")["saved_model"])


@pytest.mark.parametrize("name", ["export", "saved_model"])
def test_its_values_are_those_of_the_saved_model(
    tensorflow: Judge, fixtures: Path, tmp_path: Path, name: str
) -> None:
    convert(fixtures / "keras" / name, tmp_path / "out" / "ckpt-3")
    expected = tensorflow.list_checkpoint(fixtures / "keras" / name / "variables" / "variables")
    assert tensorflow.list_checkpoint(tmp_path / "out" / "ckpt-3") == expected


def test_variable_names_take_the_place_of_object_paths(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    source = fixtures / "keras" / "export"
    made = convert(source, tmp_path / "out" / "ckpt", names="variable")
    found = tensorflow.read_checkpoint(tmp_path / "out" / "ckpt")
    before = tensorflow.read_checkpoint(source / "variables" / "variables")
    model = saved_model(source)
    assert model.checkpoint is not None
    assert model.checkpoint.object_graph is not None
    names = model.checkpoint.object_graph.full_names
    assert names
    for key, name in names.items():
        assert same_bits(found[name], before[key])
    assert OBJECT_GRAPH not in found
    assert not [name for name in found if "OBJECT_CONFIG" in name or "save_counter" in name]
    assert made.object_graph is None
    assert "the variables' names" in made.notes[0]


def test_a_training_checkpoint_by_variable_names_keeps_its_slots(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    """What a reader by name takes of a tf.train.Checkpoint with its Adam optimizer."""
    checkpoint = tfa.open(fixtures / "keras" / "ckpt-1")
    assert isinstance(checkpoint, tfa.Checkpoint)
    tfa.save(with_variable_names(checkpoint), tmp_path / "out" / "named")
    found = tensorflow.read_checkpoint(tmp_path / "out" / "named")
    before = tensorflow.read_checkpoint(fixtures / "keras" / "ckpt-1")
    assert checkpoint.object_graph is not None
    names = checkpoint.object_graph.full_names
    assert any("adam" in name for name in found)
    assert all(same_bits(found[name], before[key]) for key, name in names.items() if name in found)
    assert "save_counter" not in found


def test_two_variables_of_one_name_are_refused(fixtures: Path) -> None:
    checkpoint = saved_model(fixtures / "keras" / "saved_model").checkpoint
    assert checkpoint is not None
    assert checkpoint.object_graph is not None
    same = replace(
        checkpoint.object_graph, full_names=dict.fromkeys(checkpoint.object_graph.full_names, "v")
    )
    twice = replace(checkpoint, object_graph_part=Deferred(Always(same)))
    with pytest.raises(tfa.ConversionError, match=r"found 3 variables with the name 'v' \("):
        with_variable_names(twice)


def with_entries(fixtures: Path, names: Mapping[str, str]) -> tfa.Checkpoint:
    """An object-based checkpoint with the same variable under these keys, of those names."""
    checkpoint = saved_model(fixtures / "keras" / "saved_model").checkpoint
    assert checkpoint is not None
    assert checkpoint.object_graph is not None
    variable = next(v for key, v in checkpoint.variables.items() if key.endswith("_VALUE"))
    named = replace(checkpoint.object_graph, full_names=names)
    return replace(
        checkpoint,
        variables={key: replace(variable, name=key) for key in names},
        object_graph_part=Deferred(Always(named)),
    )


VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def test_the_same_bytes_do_not_make_two_variables_one(fixtures: Path) -> None:
    names = {f"first/bias{VALUE}": "bias", f"second/bias{VALUE}": "bias"}
    with pytest.raises(
        tfa.ConversionError, match=r"2 variables with the name 'bias' \(first/bias/"
    ):
        with_variable_names(with_entries(fixtures, names))


def test_what_keras_wrote_twice_is_taken_once(fixtures: Path) -> None:
    names = {f"_all_variables/0{VALUE}": "bias", f"variables/3{VALUE}": "bias"}
    made = with_variable_names(with_entries(fixtures, names))
    assert list(made.variables) == ["bias"]
    assert made.notes[1] == (
        "Keras wrote 1 variables twice, under one name and with the same bytes; left out: "
        f"variables/3{VALUE}"
    )


def test_metrics_that_share_a_name_keep_their_keys(fixtures: Path) -> None:
    """Every trained Keras model has them: what a loss and an accuracy counted so far."""
    metrics = [f"keras_api/metrics/{number}/total{VALUE}" for number in (0, 1)]
    names = {**dict.fromkeys(metrics, "total"), f"layer/total{VALUE}": "total"}
    made = with_variable_names(with_entries(fixtures, names))
    assert list(made.variables) == [*metrics, "total"]
    assert made.notes[1] == f"of metrics that share a name, kept as they are: {', '.join(metrics)}"


@pytest.mark.parametrize("name", ["export", "saved_model"])
def test_the_function_based_graph_comes_only_when_asked_for(
    tensorflow_2_21: Judge, fixtures: Path, tmp_path: Path, name: str
) -> None:
    source = fixtures / "keras" / name
    made = convert(source, tmp_path / "out" / "ckpt", with_meta=True)
    assert "TensorFlow 2 alone" in made.notes[0]
    signature = saved_model(source).meta_graph().signatures["serving_default"]
    (x,) = signature.inputs.values()
    (y,) = signature.outputs.values()
    values = np.load(fixtures / "keras" / "expected.npz")
    found = tensorflow_2_21.run_checkpoint(
        tmp_path / "out" / "ckpt", {x.name: values["x"]}, [y.name], save_to=tmp_path / "again"
    )
    assert same_bits(found[y.name], values[name])
    again = tensorflow_2_21.list_checkpoint(tmp_path / "again")
    before = tensorflow_2_21.list_checkpoint(source / "variables" / "variables")
    # The counter of calls has counted this one.
    kept = {key for key in before if key in again and "num_calls" not in key} - {OBJECT_GRAPH}
    assert len(kept) >= len(before) - 2
    assert {key: again[key] for key in kept} == {key: before[key] for key in kept}


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ("keras/export", {"names": "variable", "with_meta": True}, "leave one of them out"),
        ("keras/export", {"names": "paths"}, "expected one of object, variable"),
        ("digits/saved_model", {"names": "object"}, "a SavedModel of TensorFlow 1"),
    ],
)
def test_names_that_make_no_sense_are_refused(
    fixtures: Path, source: str, options: Mapping[str, Any], says: str
) -> None:
    with pytest.raises(tfa.ConversionError, match=says):
        tfa.saved_model_to_checkpoint(saved_model(fixtures / source), **options)


# --- the folder it goes to -----------------------------------------------------------------------


@pytest.fixture
def kept(fixtures: Path, tmp_path: Path) -> Path:
    """A folder with three checkpoints and their state file."""
    shutil.copytree(fixtures / "digits" / "checkpoints", tmp_path / "kept")
    return tmp_path / "kept"


@pytest.fixture
def another(fixtures: Path) -> tfa.Checkpoint:
    return tfa.saved_model_to_checkpoint(saved_model(fixtures / "digits" / "saved_model"))


def test_an_existing_state_file_is_left_as_it_is(kept: Path, another: tfa.Checkpoint) -> None:
    before = (kept / "checkpoint").read_bytes()
    saved = tfa.save(another, kept / "other-9")
    assert (kept / "checkpoint").read_bytes() == before
    assert any("--update-state" in note for note in saved.notes)
    assert (kept / "other-9.index").exists()
    assert "checkpoint" not in [Path(file.path).name for file in saved.files]


def test_update_state_keeps_the_other_entries(
    tensorflow: Judge, kept: Path, another: tfa.Checkpoint
) -> None:
    latest, paths = state(kept)
    tfa.save(another, kept / "other-9", update_state=True)
    assert state(kept) == ("other-9", (*paths, "other-9"))
    assert tensorflow.latest_checkpoint(kept) == str(kept / "other-9")
    directory = tfa.open(kept)
    assert isinstance(directory, tfa.CheckpointDirectory)
    assert len(directory.checkpoints) == 4
    assert latest in paths


CONTINUE = """
import sys
import tensorflow as tf
v1 = tf.compat.v1
folder, step = sys.argv[1:]
state = tf.train.get_checkpoint_state(folder)
with tf.Graph().as_default(), v1.Session() as session:
    saver = v1.train.import_meta_graph(state.model_checkpoint_path + ".meta", clear_devices=True)
    saver = v1.train.Saver(max_to_keep=3)
    saver.restore(session, state.model_checkpoint_path)
    saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
    print(*saver.last_checkpoints, sep="\\n")
    saver.save(session, folder + "/my_model", int(step))
"""


@pytest.mark.parametrize("recorded", ["relative", "absolute"])
def test_a_training_goes_on_in_the_folder(
    tensorflow: Judge, kept: Path, another: tfa.Checkpoint, recorded: str
) -> None:
    """It recovers what the state lists, saves the next, and deletes the oldest of those."""
    names = ["my_model-2", "my_model-3", "my_model-4"]
    listed = [str(kept / name) if recorded == "absolute" else name for name in names]
    (kept / "checkpoint").write_text(
        f'model_checkpoint_path: "{listed[-1]}"\n'
        + "".join(f'all_model_checkpoint_paths: "{path}"\n' for path in listed)
    )
    tfa.save(another, kept / "my_model-9", update_state=True, max_to_keep=3)
    assert state(kept) == ("my_model-9", (*listed[1:], "my_model-9"))
    paths = [str(kept / name) for name in (*names[1:], "my_model-9")]
    found = tensorflow.checkpoint_state(kept)
    assert found is not None
    assert found["model_checkpoint_path"] == paths[-1] == tensorflow.latest_checkpoint(kept)
    assert found["all_model_checkpoint_paths"] == paths
    run = subprocess.run(
        [tensorflow.python, "-c", CONTINUE, str(kept), "10"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert run.stdout.split() == paths
    assert not (kept / "my_model-3.index").exists()
    assert (kept / "my_model-2.index").exists()
    assert tensorflow.latest_checkpoint(kept) == str(kept / "my_model-10")
    directory = tfa.open(kept)
    assert isinstance(directory, tfa.CheckpointDirectory)
    assert [Path(checkpoint.path).name for checkpoint in directory.checkpoints] == [
        "my_model-4",
        "my_model-9",
        "my_model-10",
    ]


def test_entries_of_elsewhere_stay_as_they_are_written(
    tensorflow: Judge, kept: Path, another: tfa.Checkpoint
) -> None:
    """Stale absolute and Windows paths are TensorFlow's to judge, and a training's to forget."""
    listed = ("/gone/runs/my_model-2", r"C:\runs\my_model-3", "../kept/my_model-4")
    quoted = [path.replace("\\", "\\\\") for path in listed]
    (kept / "checkpoint").write_text(
        f'model_checkpoint_path: "{quoted[-1]}"\n'
        + "".join(f'all_model_checkpoint_paths: "{path}"\n' for path in quoted)
    )
    tfa.save(another, kept / "mödel 1-9", update_state=True)
    assert state(kept) == ("mödel 1-9", (*listed, "mödel 1-9"))
    assert tensorflow.latest_checkpoint(kept) == str(kept / "mödel 1-9")
    found = tensorflow.checkpoint_state(kept)
    assert found is not None
    assert found["all_model_checkpoint_paths"][0] == "/gone/runs/my_model-2"


def test_a_stale_entry_of_the_same_name_is_not_listed_twice(
    kept: Path, another: tfa.Checkpoint
) -> None:
    _, paths = state(kept)
    stale = [str(kept / "other-9"), "other-9", "./other-9"]
    with open(kept / "checkpoint", "a") as file:
        file.writelines(f'all_model_checkpoint_paths: "{path}"\n' for path in stale)
    tfa.save(another, kept / "other-9", update_state=True)
    assert state(kept) == ("other-9", (*paths, "other-9"))


def test_timestamps_that_are_not_one_for_each_path_are_left_out(
    kept: Path, another: tfa.Checkpoint
) -> None:
    _, paths = state(kept)
    with open(kept / "checkpoint", "a") as file:
        file.write("all_model_checkpoint_timestamps: 1.5\n")
    tfa.save(another, kept / "other-9", update_state=True)
    found = read_checkpoint_state((kept / "checkpoint").read_bytes())
    assert (found.all_paths, found.timestamps) == ((*paths, "other-9"), ())


def test_a_state_file_that_is_a_link_is_replaced_and_its_target_kept(
    tensorflow_2_21: Judge, kept: Path, another: tfa.Checkpoint, tmp_path: Path
) -> None:
    """As TensorFlow does it, which renames a new file into its place."""
    (kept / "checkpoint").rename(tmp_path / "elsewhere")
    (kept / "checkpoint").symlink_to(tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere").read_bytes()
    tfa.save(another, kept / "other-9", update_state=True)
    assert not (kept / "checkpoint").is_symlink()
    assert (tmp_path / "elsewhere").read_bytes() == before
    assert tensorflow_2_21.latest_checkpoint(kept) == str(kept / "other-9")
    assert len(state(kept)[1]) == 4


@pytest.mark.parametrize("update_state", [False, True])
def test_what_is_no_file_in_place_of_the_state_file_is_refused(
    kept: Path, another: tfa.Checkpoint, update_state: bool
) -> None:
    (kept / "checkpoint").unlink()
    (kept / "checkpoint").symlink_to("nowhere")
    before = sorted(file.name for file in kept.iterdir())
    with pytest.raises(tfa.DestinationExistsError, match="no regular file where the state file"):
        tfa.save(another, kept / "other-9", update_state=update_state)
    assert sorted(file.name for file in kept.iterdir()) == before


def test_a_folder_without_a_state_file_gets_one(
    tensorflow_2_21: Judge, kept: Path, another: tfa.Checkpoint
) -> None:
    """It names the new checkpoint alone: of the others nobody said that they are kept."""
    (kept / "checkpoint").unlink()
    tfa.save(another, kept / "other-9")
    assert state(kept) == ("other-9", ("other-9",))
    assert tensorflow_2_21.latest_checkpoint(kept) == str(kept / "other-9")
    directory = tfa.open(kept)
    assert isinstance(directory, tfa.CheckpointDirectory)
    assert [Path(checkpoint.path).name for checkpoint in directory.unlisted] == [
        "my_model-2",
        "my_model-3",
        "my_model-4",
    ]


def test_max_to_keep_drops_entries_and_deletes_nothing(kept: Path, another: tfa.Checkpoint) -> None:
    _, paths = state(kept)
    saved = tfa.save(another, kept / "other-9", update_state=True, max_to_keep=2)
    assert state(kept) == ("other-9", (paths[-1], "other-9"))
    assert (kept / "my_model-2.index").exists()
    assert any("their files not deleted: my_model-2, my_model-3" in note for note in saved.notes)


def test_timestamps_stay_one_for_each_path(kept: Path, another: tfa.Checkpoint) -> None:
    text = (kept / "checkpoint").read_text()
    stamped = text + "".join(f"all_model_checkpoint_timestamps: {n}.5\n" for n in (1, 2, 3))
    (kept / "checkpoint").write_text(stamped + "last_preserved_timestamp: 0.5\n")
    tfa.save(another, kept / "other-9", update_state=True, max_to_keep=3)
    found = read_checkpoint_state((kept / "checkpoint").read_bytes())
    assert found.timestamps[:2] == (2.5, 3.5)
    assert len(found.timestamps) == len(found.all_paths) == 3
    assert found.last_preserved == 0.5


def test_a_state_file_that_cannot_be_read_keeps_all_as_it_was(
    kept: Path, another: tfa.Checkpoint
) -> None:
    (kept / "checkpoint").write_text("nonsense")
    before = sorted(file.name for file in kept.iterdir())
    with pytest.raises(tfa.FormatError, match="checkpoint"):
        tfa.save(another, kept / "other-9", update_state=True)
    assert sorted(file.name for file in kept.iterdir()) == before


def test_max_to_keep_alone_is_refused_where_there_is_a_state_file(
    kept: Path, another: tfa.Checkpoint
) -> None:
    with pytest.raises(tfa.ConversionError, match="--update-state"):
        tfa.save(another, kept / "other-9", max_to_keep=2)
