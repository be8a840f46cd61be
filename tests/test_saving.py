"""What is saved reads as what was saved, and no damage is copied."""

from __future__ import annotations

import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tfartifacts.model.saved_models import Asset


def values(checkpoint: tfa.Checkpoint | None) -> dict[str, Any]:
    assert checkpoint is not None
    found = {}
    for name, variable in checkpoint.variables.items():
        array = variable.read()
        content = array.tolist() if array.dtype == object else array.tobytes()
        found[name] = (variable.dtype, variable.shape, content)
    return found


def opened_checkpoint(path: Path) -> tfa.Checkpoint:
    artifact = tfa.open(path)
    if isinstance(artifact, tfa.CheckpointDirectory):
        assert artifact.latest is not None
        return artifact.latest
    assert isinstance(artifact, tfa.Checkpoint)
    return artifact


def opened_model(path: Path) -> tfa.SavedModel:
    artifact = tfa.open(path)
    assert isinstance(artifact, tfa.SavedModel)
    return artifact


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


CHECKPOINTS = [
    "digits/checkpoints/my_model-4",
    "dtypes/dtypes",
    "partitioned/partitioned",
    "keras/ckpt-1",
    "empty-bundle/empty",
    "tensorflow-1.15/sharded/model.ckpt-5",
    "v1-checkpoint/model-3",
    "v1-checkpoint/all_forms",
    "v1-checkpoint/sharded",
    "v1-checkpoint/shards-3",
]


@pytest.mark.parametrize("path", CHECKPOINTS)
def test_a_saved_checkpoint_reads_the_same(path: str, fixtures: Path, tmp_path: Path) -> None:
    source = opened_checkpoint(fixtures / path)
    tfa.save(source, tmp_path / "new" / "copy-7")
    copy = opened_checkpoint(tmp_path / "new")
    assert (copy.format, copy.step) == ("V2", 7)
    assert values(copy) == values(source)
    assert not copy.problems
    assert (copy.meta_graph is None) == (source.meta_graph is None)


@pytest.mark.parametrize("path", [path for path in CHECKPOINTS if "v1" not in path])
def test_a_saved_bundle_has_the_bytes_tensorflow_wrote(
    path: str, fixtures: Path, tmp_path: Path
) -> None:
    tfa.save(opened_checkpoint(fixtures / path), tmp_path / "copy")
    source = fixtures / path
    suffixes = [
        name.removeprefix(source.name)
        for name in os.listdir(source.parent)
        if name.startswith((f"{source.name}.index", f"{source.name}.data-"))
    ]
    assert suffixes
    for suffix in suffixes:
        copied = (tmp_path / f"copy{suffix}").read_bytes()
        assert copied == Path(f"{source}{suffix}").read_bytes(), suffix


MODELS = [
    "digits/saved_model",
    "keras/saved_model",
    "keras/export",
    "saved-models/text",
    "saved-models/no_variables",
    "saved-models/two_meta_graphs",
    "saved-models/simple_partitioned",
    "saved-models/simple_resource",
]


@pytest.mark.parametrize("path", MODELS)
def test_a_saved_saved_model_reads_the_same(path: str, fixtures: Path, tmp_path: Path) -> None:
    source = opened_model(fixtures / path)
    tfa.save(source, tmp_path / "copy")
    copy = opened_model(tmp_path / "copy")
    assert [graph.tags for graph in copy.meta_graphs] == [
        graph.tags for graph in source.meta_graphs
    ]
    for ours, theirs in zip(copy.meta_graphs, source.meta_graphs, strict=True):
        assert ours.signatures == theirs.signatures
        assert ours.collections == theirs.collections
        assert ours.saver == theirs.saver
        assert ours.object_graph == theirs.object_graph
        assert list(ours.graph.functions) == list(theirs.graph.functions)
        assert [(n.name, n.op, n.inputs, n.device) for n in ours.graph] == [
            (n.name, n.op, n.inputs, n.device) for n in theirs.graph
        ]
    assert (copy.checkpoint is None) == (source.checkpoint is None)
    if source.checkpoint is not None:
        assert values(copy.checkpoint) == values(source.checkpoint)
    assert [asset.filename for asset in copy.assets] == [asset.filename for asset in source.assets]


def test_further_files_are_carried_but_for_the_fingerprint(fixtures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(fixtures / "saved-models" / "two_meta_graphs", folder)
    (folder / "assets" / "deep" / "er").mkdir(parents=True)
    (folder / "assets" / "deep" / "er" / "x").write_bytes(b"deep")
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"\x00\x01")
    (folder / "keras_metadata.pb").write_bytes(b"\x0a\x00")
    (folder / "fingerprint.pb").write_bytes(b"\x08\x01")
    (folder / "empty").write_bytes(b"")
    before = files(folder)
    tfa.save(opened_model(folder), tmp_path / "copy")
    copied = files(tmp_path / "copy")
    assert copied.keys() == before.keys() - {"fingerprint.pb"}
    assert {name for name in copied if copied[name] != before[name]} <= {"saved_model.pb"}
    assert files(folder) == before


@pytest.mark.parametrize(
    "filename",
    ["../outside", "/etc/hostname", "a/../../x", "", "a\\..\\b", "a//b", ".", "a/./b", "a\0b"],
)
def test_an_asset_that_leads_out_is_refused(filename: str, fixtures: Path, tmp_path: Path) -> None:
    model = opened_model(fixtures / "saved-models" / "two_meta_graphs")
    file = model.assets[0].file
    assert file is not None
    model = replace(model, assets=(Asset(filename, (), file),))
    with pytest.raises(tfa.ConversionError, match="asset"):
        tfa.save(model, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_an_asset_that_is_missing_is_refused(fixtures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(fixtures / "saved-models" / "two_meta_graphs", folder)
    (folder / "assets" / "vocabulary.txt").unlink()
    with pytest.raises(tfa.ConversionError, match=r"'vocabulary\.txt' is missing"):
        tfa.save(opened_model(folder), tmp_path / "copy")
    assert sorted(os.listdir(tmp_path)) == ["model"]


def test_an_asset_that_shrank_since_is_told(fixtures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(fixtures / "saved-models" / "two_meta_graphs", folder)
    model = opened_model(folder)
    asset = folder / "assets" / "vocabulary.txt"
    asset.write_bytes(asset.read_bytes()[:-1])
    with pytest.raises(tfa.FormatError, match="expected 1 more bytes") as caught:
        tfa.save(model, tmp_path / "copy")
    assert caught.value.path == str(asset)
    assert sorted(os.listdir(tmp_path)) == ["model"]


def test_overwriting_exchanges_the_whole_folder(fixtures: Path, tmp_path: Path) -> None:
    destination = tmp_path / "export"
    tfa.save(opened_model(fixtures / "saved-models" / "two_meta_graphs"), destination)
    (destination / "left over").write_text("old")
    inode = destination.stat().st_ino
    tfa.save(opened_model(fixtures / "digits" / "saved_model"), destination, overwrite=True)
    assert destination.stat().st_ino != inode
    assert sorted(os.listdir(destination)) == ["saved_model.pb", "variables"]
    assert os.listdir(tmp_path) == ["export"]
    copy = opened_model(destination)
    source = opened_model(fixtures / "digits" / "saved_model")
    assert values(copy.checkpoint) == values(source.checkpoint)


def test_a_model_can_be_saved_over_itself(fixtures: Path, tmp_path: Path) -> None:
    destination = tmp_path / "export"
    shutil.copytree(fixtures / "saved-models" / "two_meta_graphs", destination)
    expected = values(opened_model(destination).checkpoint)
    tfa.save(opened_model(destination), destination, overwrite=True)
    assert values(opened_model(destination).checkpoint) == expected
    assert os.listdir(tmp_path) == ["export"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_checkpoint_is_never_written_over(
    overwrite: bool, fixtures: Path, tmp_path: Path
) -> None:
    source = opened_checkpoint(fixtures / "digits" / "checkpoints")
    tfa.save(source, tmp_path / "model-4")
    before = files(tmp_path)
    with pytest.raises(tfa.DestinationExistsError):
        tfa.save(source, tmp_path / "model-4", overwrite=overwrite)
    # Nor another beside it, whose state file would take the place of this one's.
    with pytest.raises(tfa.DestinationExistsError, match="checkpoint: exists"):
        tfa.save(source, tmp_path / "model-5", overwrite=overwrite)
    assert files(tmp_path) == before


def test_a_folder_of_checkpoints_is_not_saved_as_one(fixtures: Path, tmp_path: Path) -> None:
    with pytest.raises(tfa.ConversionError, match="pick a checkpoint"):
        tfa.save(tfa.open(fixtures / "digits" / "checkpoints"), tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


DAMAGED = [
    ("digits/checkpoints", "my_model-4", "my_model-4.data-00000-of-00001"),
    ("dtypes", "dtypes", "dtypes.data-00000-of-00001"),
    ("partitioned", "partitioned", "partitioned.data-00001-of-00002"),
    ("digits/saved_model", ".", "variables/variables.data-00000-of-00001"),
]


@pytest.mark.parametrize(("folder", "opened", "file"), DAMAGED)
@pytest.mark.parametrize("position", [0, -1])
def test_a_source_that_is_damaged_is_not_copied(
    folder: str, opened: str, file: str, position: int, fixtures: Path, tmp_path: Path
) -> None:
    shutil.copytree(fixtures / folder, tmp_path / "source")
    artifact = tfa.open(tmp_path / "source" / opened)
    flip(tmp_path / "source" / file, position)
    before = files(tmp_path)
    with pytest.raises(tfa.ChecksumError) as caught:
        tfa.save(artifact, tmp_path / "new" / "copy")
    assert caught.value.path == str(tmp_path / "source" / file)
    assert caught.value.offset is not None
    assert files(tmp_path) == before
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.parametrize("position", [100, -100])
def test_a_v1_source_that_is_damaged_is_not_copied(
    position: int, fixtures: Path, tmp_path: Path
) -> None:
    shutil.copytree(fixtures / "v1-checkpoint", tmp_path / "source")
    artifact = tfa.open(tmp_path / "source" / "model-3")
    flip(tmp_path / "source" / "model-3", position)
    with pytest.raises(tfa.FormatError):
        tfa.save(artifact, tmp_path / "new" / "copy")
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.parametrize("gone", ["model.index", "model.data-00000-of-00001"])
def test_a_source_that_went_away_is_told(gone: str, fixtures: Path, tmp_path: Path) -> None:
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(
            fixtures / "digits/checkpoints" / f"my_model-4{suffix}", tmp_path / f"model{suffix}"
        )
    artifact = tfa.open(tmp_path / "model")
    (tmp_path / gone).unlink()
    if gone.endswith(".index"):
        # It was read whole when the checkpoint was opened.
        tfa.save(artifact, tmp_path / "new" / "copy")
    else:
        with pytest.raises(tfa.PathNotFoundError) as caught:
            tfa.save(artifact, tmp_path / "new" / "copy")
        assert caught.value.path == str(tmp_path / gone)
        assert not (tmp_path / "new").exists()


def test_data_of_another_save_is_not_copied(fixtures: Path, tmp_path: Path) -> None:
    folder = fixtures / "digits" / "checkpoints"
    shutil.copy(folder / "my_model-4.index", tmp_path / "model.index")
    shutil.copy(folder / "my_model-2.data-00000-of-00001", tmp_path / "model.data-00000-of-00001")
    with pytest.raises(tfa.ChecksumError, match="belongs to another save"):
        tfa.save(tfa.open(tmp_path / "model"), tmp_path / "new" / "copy")
    assert not (tmp_path / "new").exists()


def test_a_graph_too_large_for_protobuf_is_refused(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tfartifacts import saving

    monkeypatch.setattr(saving, "MAX_MESSAGE", 1000)
    for source, name in [("digits/saved_model", "export"), ("graphs/frozen.pb", "frozen.pb")]:
        with pytest.raises(tfa.ConversionError, match="TensorFlow reads at most 1000"):
            tfa.save(tfa.open(fixtures / source), tmp_path / name)
    with pytest.raises(tfa.ConversionError, match="TensorFlow reads at most 1000"):
        tfa.save(opened_checkpoint(fixtures / "digits" / "checkpoints"), tmp_path / "m-1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["digits/saved_model", "dtypes/dtypes", "graphs/model.meta"])
def test_an_artifact_that_was_pickled_saves_the_same(
    path: str, fixtures: Path, tmp_path: Path
) -> None:
    artifact = tfa.open(fixtures / path)
    tfa.save(artifact, tmp_path / "first" / "m")
    tfa.save(pickle.loads(pickle.dumps(artifact)), tmp_path / "second" / "m")
    assert files(tmp_path / "first") == files(tmp_path / "second")


def test_saving_accepts_str_and_pathlike(fixtures: Path, tmp_path: Path) -> None:
    graph = tfa.open(fixtures / "graphs" / "frozen.pb")
    tfa.save(graph, tmp_path / "a.pb")
    tfa.save(graph, str(tmp_path / "b.pb"))
    assert (tmp_path / "a.pb").read_bytes() == (tmp_path / "b.pb").read_bytes()
