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
from tfartifacts.convert import convert
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.table import write_table
from tfartifacts.formats.wire import put_bytes, put_fixed32, put_integer
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
    with pytest.raises(tfa.SourceChangedError, match="changed while it was read") as caught:
        tfa.save(model, tmp_path / "copy")
    assert caught.value.path == str(asset)
    assert isinstance(caught.value.__cause__, tfa.FormatError)
    assert "expected 1 more bytes" in str(caught.value.__cause__)
    assert sorted(os.listdir(tmp_path)) == ["model"]


def test_overwriting_exchanges_the_whole_folder(fixtures: Path, tmp_path: Path) -> None:
    destination = tmp_path / "export"
    tfa.save(opened_model(fixtures / "saved-models" / "two_meta_graphs"), destination)
    (destination / "keras_metadata.pb").write_text("old")
    inode = destination.stat().st_ino
    tfa.save(opened_model(fixtures / "digits" / "saved_model"), destination, overwrite=True)
    assert destination.stat().st_ino != inode
    assert sorted(os.listdir(destination)) == ["saved_model.pb", "variables"]
    assert os.listdir(tmp_path) == ["export"]
    copy = opened_model(destination)
    source = opened_model(fixtures / "digits" / "saved_model")
    assert values(copy.checkpoint) == values(source.checkpoint)


def test_what_is_no_part_of_a_saved_model_is_not_removed_with_it(
    fixtures: Path, tmp_path: Path
) -> None:
    model, destination = opened_model(fixtures / "digits" / "saved_model"), tmp_path / "export"
    tfa.save(model, destination)
    with pytest.raises(tfa.DestinationExistsError, match=r"; --overwrite replaces a SavedModel$"):
        tfa.save(model, destination)
    for name in ("notes.txt", ".git", "model.py", "train.sh"):
        (destination / name).write_text("mine")
    before = files(destination)
    for dry_run in (True, False):
        with pytest.raises(tfa.DestinationExistsError) as caught:
            tfa.save(model, destination, overwrite=True, dry_run=dry_run)
        assert str(caught.value) == (
            f"{destination}: holds more than a SavedModel (.git, model.py, notes.txt and 1 more), "
            "which would be removed with it; move that, or choose another destination"
        )
    with pytest.raises(tfa.DestinationExistsError, match=r"or remove it first$"):
        tfa.save(model, destination)
    assert files(destination) == before


def test_extra_assets_that_go_are_named(fixtures: Path, tmp_path: Path) -> None:
    model, destination = opened_model(fixtures / "digits" / "saved_model"), tmp_path / "export"
    tfa.save(model, destination)
    (destination / "assets.extra").mkdir()
    (destination / "assets.extra" / "tf_serving_warmup_requests").write_text("requests")
    copied = tmp_path / "copied"
    shutil.copytree(destination, copied)
    # The one that takes its place has the same: nothing goes.
    assert tfa.save(opened_model(copied), destination, overwrite=True).notes == ()
    for dry_run in (True, False):
        assert tfa.save(model, destination, overwrite=True, dry_run=dry_run).notes == (
            "goes with the SavedModel that is replaced: assets.extra/tf_serving_warmup_requests",
        )
    assert not (destination / "assets.extra").exists()


def test_a_state_file_is_named_as_the_caller_did(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = opened_checkpoint(fixtures / "dtypes" / "dtypes")
    monkeypatch.chdir(tmp_path)
    for prefix, shown in (("in/a-1", None), ("in/a-2", "in/checkpoint"), ("a-1", None)):
        notes = tfa.save(checkpoint, prefix).notes
        assert [note for note in notes if shown and note.startswith(f"{shown} is left as it")] == (
            list(notes) if shown else []
        )
    (note,) = tfa.save(checkpoint, "a-2").notes
    assert note.startswith("checkpoint is left as it is")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_model_is_not_saved_over_itself(overwrite: bool, fixtures: Path, tmp_path: Path) -> None:
    destination = tmp_path / "export"
    shutil.copytree(fixtures / "saved-models" / "two_meta_graphs", destination)
    before = files(tmp_path)
    with pytest.raises(tfa.DestinationExistsError, match="is the source itself"):
        tfa.save(opened_model(destination), destination, overwrite=overwrite)
    assert files(tmp_path) == before
    assert os.listdir(tmp_path) == ["export"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_checkpoint_is_never_written_over(
    overwrite: bool, fixtures: Path, tmp_path: Path
) -> None:
    source = opened_checkpoint(fixtures / "digits" / "checkpoints")
    # Where nothing is, there is nothing to write over.
    tfa.save(source, tmp_path / "model-4", overwrite=overwrite)
    before = files(tmp_path)
    message = "never written over" if overwrite else "exists already"
    with pytest.raises(tfa.DestinationExistsError, match=message) as caught:
        tfa.save(source, tmp_path / "model-4", overwrite=overwrite)
    assert caught.value.path == str(tmp_path / "model-4.data-00000-of-00001")
    assert files(tmp_path) == before
    # Another beside it leaves the state file as it is.
    saved = tfa.save(source, tmp_path / "model-5", overwrite=overwrite)
    after = files(tmp_path)
    assert {name: after[name] for name in before} == before
    added = {f"model-5{suffix}" for suffix in (".data-00000-of-00001", ".index", ".meta")}
    assert set(after) - set(before) == added
    assert saved.paths == tuple(sorted(str(tmp_path / name) for name in added))
    assert saved.notes == (
        f"{tmp_path / 'checkpoint'} is left as it is: --update-state makes it name this "
        "checkpoint as the latest",
    )


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
    flip(tmp_path / "source" / file, position)
    artifact = tfa.open(tmp_path / "source" / opened)
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
    before = (tmp_path / "source" / "model-3").stat()
    flip(tmp_path / "source" / "model-3", position)
    # As if it had been so when it was opened, which reads all that is not a value.
    os.utime(tmp_path / "source" / "model-3", ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(tfa.FormatError):
        tfa.save(artifact, tmp_path / "new" / "copy")
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.parametrize(("folder", "opened", "file"), DAMAGED)
@pytest.mark.parametrize("position", [0, -1])
def test_a_source_that_is_written_into_since_is_told_as_changed(
    folder: str, opened: str, file: str, position: int, fixtures: Path, tmp_path: Path
) -> None:
    shutil.copytree(fixtures / folder, tmp_path / "source")
    artifact = tfa.open(tmp_path / "source" / opened)
    flip(tmp_path / "source" / file, position)
    before = files(tmp_path)
    with pytest.raises(tfa.SourceChangedError) as caught:
        tfa.save(artifact, tmp_path / "new" / "copy")
    assert caught.value.path == str(tmp_path / "source" / file)
    assert isinstance(caught.value.__cause__, tfa.ChecksumError)
    assert caught.value.__cause__.path == caught.value.path
    assert files(tmp_path) == before
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.parametrize("missing", [1, 100])
def test_data_that_is_too_short_is_not_copied(missing: int, fixtures: Path, tmp_path: Path) -> None:
    shutil.copytree(fixtures / "digits" / "checkpoints", tmp_path / "source")
    path = tmp_path / "source" / "my_model-4.data-00000-of-00001"
    left = path.stat().st_size - missing
    os.truncate(path, left)
    with pytest.raises(tfa.FormatError, match="found the end of the file") as caught:
        tfa.save(opened_checkpoint(tmp_path / "source"), tmp_path / "new" / "copy")
    assert (caught.value.path, caught.value.offset) == (str(path), left)
    assert os.listdir(tmp_path) == ["source"]


@pytest.mark.parametrize("gone", ["model.index", "model.data-00000-of-00001"])
def test_a_source_that_went_away_is_told(gone: str, fixtures: Path, tmp_path: Path) -> None:
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(
            fixtures / "digits/checkpoints" / f"my_model-4{suffix}", tmp_path / f"model{suffix}"
        )
    artifact = tfa.open(tmp_path / "model")
    (tmp_path / gone).unlink()
    # Of the index nothing more would be read; but who removes a checkpoint begins with it.
    with pytest.raises(tfa.SourceChangedError, match="changed while it was read") as caught:
        tfa.save(artifact, tmp_path / "new" / "copy")
    assert caught.value.path == str(tmp_path / gone)
    assert not (tmp_path / "new").exists()
    if gone.endswith(".index"):
        return
    # Gone before it was opened it is missing.
    with pytest.raises(tfa.PathNotFoundError) as missing:
        tfa.save(tfa.open(tmp_path / "model"), tmp_path / "new" / "copy")
    assert missing.value.path == str(tmp_path / gone)
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
    from tfartifacts.saving import plans

    monkeypatch.setattr(plans, "MAX_MESSAGE", 1000)
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


def test_shards_that_hold_nothing_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    index = [(b"", put_integer(1, 50_000_000) + put_bytes(3, put_integer(1, 1)))]
    (tmp_path / "m.index").write_bytes(write_table(index))
    for destination in (tmp_path / "n", tmp_path / "new" / "n"):
        with pytest.raises(tfa.FormatError, match="found 50000000 shards"):
            tfa.save(tfa.open(tmp_path / "m"), destination)
    model = replace(model_without_checkpoint(), checkpoint=opened_checkpoint(tmp_path / "m"))
    with pytest.raises(tfa.FormatError, match="found 50000000 shards"):
        tfa.save(model, tmp_path / "model")
    assert os.listdir(tmp_path) == ["m.index"]


def test_a_small_file_of_large_tensors_is_not_expanded(tmp_path: Path) -> None:
    data = bytes(1 << 16)
    entry = put_integer(1, 4) + put_bytes(2, put_bytes(2, put_integer(1, len(data))))
    entry += put_integer(5, len(data)) + put_fixed32(6, mask(crc32c(data)))
    header = (b"", put_integer(1, 1) + put_bytes(3, put_integer(1, 1)))
    entries = [header, *((b"v%05d" % i, entry) for i in range(3000))]
    (tmp_path / "m.index").write_bytes(write_table(entries))
    (tmp_path / "m.data-00000-of-00001").write_bytes(data)
    source = opened_checkpoint(tmp_path / "m")
    with pytest.raises(tfa.FormatError, match="'v00001' at bytes 0 to 65536, of which 'v00000'"):
        tfa.save(source, tmp_path / "new" / "m")
    with pytest.raises(tfa.FormatError, match="2998 more overlap in this file"):
        tfa.save(replace(model_without_checkpoint(), checkpoint=source), tmp_path / "model")
    assert sorted(os.listdir(tmp_path)) == ["m.data-00000-of-00001", "m.index"]
    # Nor is what is left when a few were pruned.
    rest = {name: source.variables[name] for name in list(source.variables)[1:]}
    with pytest.raises(tfa.FormatError, match="2999 tensors of 196542464 bytes in 65536 bytes"):
        tfa.save(replace(source, variables=rest), tmp_path / "new" / "m")
    assert sorted(os.listdir(tmp_path)) == ["m.data-00000-of-00001", "m.index"]
    # Whoever names one value twice has it twice.
    some = dict.fromkeys(("v00000", "w"), source.variables["v00000"])
    some["w"] = replace(some["w"], name="w")
    tfa.save(replace(source, variables=some), tmp_path / "new" / "m")
    assert opened_checkpoint(tmp_path / "new" / "m").nbytes == 2 * len(data)


def model_without_checkpoint() -> tfa.SavedModel:
    return tfa.SavedModel(path=None, meta_graphs=())


# --- where a source is, nothing is written -------------------------------------------------------


@pytest.mark.parametrize(
    "destination",
    [
        "model/inside/m",
        "model/m",
        "model/variables/m",
        "model/../model/m",
        "link/m",
        "link/not/there/m",
        # By its text outside, by its links inside; and the other way about.
        "deep/../m",
    ],
)
def test_nothing_is_written_into_the_saved_model_it_comes_from(
    destination: str, fixtures: Path, tmp_path: Path
) -> None:
    shutil.copytree(fixtures / "digits" / "saved_model", tmp_path / "model")
    (tmp_path / "link").symlink_to("model", target_is_directory=True)
    (tmp_path / "deep").symlink_to("model/variables", target_is_directory=True)
    model = opened_model(tmp_path / "model")
    before = files(tmp_path)
    artifacts: list[tfa.Artifact] = [
        model,
        convert(model),
        opened_checkpoint(tmp_path / "model" / "variables" / "variables"),
        model.meta_graphs[0],
        model.meta_graphs[0].graph,
    ]
    for artifact in artifacts:
        for overwrite in (False, True):
            with pytest.raises(tfa.ConversionError, match="lies inside the source") as caught:
                tfa.save(artifact, f"{tmp_path}/{destination}", overwrite=overwrite)
            assert caught.value.path == f"{tmp_path}/{destination}"
    assert files(tmp_path) == before
    tfa.save(artifacts[1], tmp_path / "beside" / "m")


def test_variables_that_lie_beside_their_graph_are_in_it(fixtures: Path, tmp_path: Path) -> None:
    shutil.copytree(fixtures / "digits" / "saved_model", tmp_path / "model")
    for file in (tmp_path / "model" / "variables").iterdir():
        file.rename(tmp_path / "model" / file.name)
    with pytest.raises(tfa.ConversionError, match="lies inside the source"):
        tfa.save(convert(opened_model(tmp_path / "model")), tmp_path / "model" / "new" / "m")


def test_the_source_itself_is_told_as_such(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(fixtures / "digits" / "saved_model", tmp_path / "model")
    (tmp_path / "link").symlink_to("model", target_is_directory=True)
    model = opened_model(tmp_path / "model")
    monkeypatch.chdir(tmp_path / "model")
    for destination in (tmp_path / "model", f"{tmp_path}/model/", "../model", tmp_path / "link"):
        with pytest.raises(tfa.DestinationExistsError, match="is the source itself"):
            tfa.save(model, destination)


def test_what_holds_the_source_is_not_overwritten(fixtures: Path, tmp_path: Path) -> None:
    shutil.copytree(fixtures / "digits", tmp_path / "runs")
    model = opened_model(tmp_path / "runs" / "saved_model")
    made = convert(tfa.open(tmp_path / "runs" / "checkpoints"))
    before = files(tmp_path)
    places = [(model, "runs"), (made, "runs"), (made, "runs/checkpoints"), (model, "")]
    for artifact, destination in places:
        with pytest.raises(tfa.ConversionError, match="lie inside the destination"):
            tfa.save(artifact, tmp_path / destination, overwrite=True)
    assert files(tmp_path) == before
    tfa.save(made, tmp_path / "runs" / "saved_model", overwrite=True)


def test_an_export_among_checkpoints_is_usual(fixtures: Path, tmp_path: Path) -> None:
    shutil.copytree(fixtures / "digits" / "checkpoints", tmp_path / "checkpoints")
    before = files(tmp_path / "checkpoints")
    made = convert(tfa.open(tmp_path / "checkpoints"))
    tfa.save(made, tmp_path / "checkpoints" / "export")
    after = files(tmp_path / "checkpoints")
    assert {name: after[name] for name in before} == before
    for name in before:
        for overwrite in (False, True):
            with pytest.raises(tfa.DestinationExistsError):
                tfa.save(made, tmp_path / "checkpoints" / name, overwrite=overwrite)
    assert files(tmp_path / "checkpoints") == after


# --- links ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["assets/vocabulary.txt", "assets.extra/more", "keras_metadata.pb", "assets/a/b/c"]
)
def test_a_link_that_leads_out_is_not_copied(name: str, fixtures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(fixtures / "saved-models" / "two_meta_graphs", folder)
    (tmp_path / "model secret").write_text("secret")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "model secret")
    with pytest.raises(tfa.ConversionError, match=r"link to .*secret, outside the") as caught:
        tfa.save(opened_model(folder), tmp_path / "copy")
    assert caught.value.path == str(folder / name)
    assert sorted(os.listdir(tmp_path)) == ["model", "model secret"]


def test_a_folder_of_assets_that_is_elsewhere_is_not_copied(fixtures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(fixtures / "saved-models" / "two_meta_graphs", folder)
    (folder / "assets").rename(tmp_path / "elsewhere")
    (folder / "assets").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(tfa.ConversionError, match="outside the SavedModel"):
        tfa.save(opened_model(folder), tmp_path / "copy")


def test_links_within_become_files(fixtures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(fixtures / "saved-models" / "two_meta_graphs", folder)
    (folder / "assets" / "again.txt").symlink_to("vocabulary.txt")
    # The model itself may be reached through a link, and its graph and variables lie elsewhere.
    shutil.move(folder / "saved_model.pb", tmp_path / "blob")
    (folder / "saved_model.pb").symlink_to(tmp_path / "blob")
    shutil.move(folder / "variables", tmp_path / "blobs")
    (folder / "variables").symlink_to(tmp_path / "blobs", target_is_directory=True)
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    tfa.save(opened_model(tmp_path / "link"), tmp_path / "copy")
    assert not any(path.is_symlink() for path in (tmp_path / "copy").rglob("*"))
    assets = tmp_path / "copy" / "assets"
    assert (assets / "again.txt").read_bytes() == (assets / "vocabulary.txt").read_bytes()
