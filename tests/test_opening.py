"""What `open` makes of a path: content before name, and for what is not ours its name."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.opening import open_to_convert
from tfartifacts.storage.files import read_range


def opened(path: str | os.PathLike[str], kind: str, **options: bool) -> Any:
    artifact = tfa.open(path, **options)
    assert artifact.kind == kind
    return artifact


def refused(
    path: str | os.PathLike[str], error: type[tfa.TfArtifactsError], match: str | None = None
) -> str:
    """The whole line of the error that opening ends with; it names the path."""
    with pytest.raises(error, match=match) as caught:
        tfa.open(path)
    assert caught.value.path is not None
    return str(caught.value)


# --- members of a set ----------------------------------------------------------------------------


@pytest.fixture
def digits(fixtures: Path) -> Path:
    return fixtures / "digits" / "checkpoints"


@pytest.mark.parametrize(
    "member", ["my_model-4", "my_model-4.index", "my_model-4.data-00000-of-00001"]
)
def test_prefix_index_and_data_are_the_checkpoint(digits: Path, member: str) -> None:
    checkpoint = opened(digits / member, "checkpoint")
    assert checkpoint.prefix == str(digits / "my_model-4")
    assert checkpoint.meta_graph.path == str(digits / "my_model-4.meta")


def test_the_meta_file_is_the_graph_and_knows_its_checkpoint(digits: Path) -> None:
    meta_graph = opened(digits / "my_model-4.meta", "meta-graph")
    assert meta_graph.checkpoint_prefix == str(digits / "my_model-4")
    assert open_to_convert(digits / "my_model-4.meta").kind == "checkpoint"


def test_a_meta_file_alone_stays_a_graph(digits: Path, tmp_path: Path) -> None:
    shutil.copy(digits / "my_model-4.meta", tmp_path)
    meta_graph = opened(tmp_path / "my_model-4.meta", "meta-graph")
    assert meta_graph.checkpoint_prefix is None
    assert open_to_convert(tmp_path / "my_model-4.meta").kind == "meta-graph"
    by_prefix = opened(tmp_path / "my_model-4", "meta-graph")
    assert by_prefix.notes == ("no my_model-4.index: the graph alone, without variables",)
    assert opened(tmp_path, "meta-graph").path == str(tmp_path / "my_model-4.meta")


@pytest.mark.parametrize("member", ["", "checkpoint"])
def test_folder_and_state_file_are_the_folder(digits: Path, member: str) -> None:
    directory = opened(digits / member, "checkpoint-directory")
    assert [checkpoint.step for checkpoint in directory.checkpoints] == [2, 3, 4]
    assert directory.latest is directory.checkpoints[-1]
    assert not directory.unlisted


@pytest.mark.parametrize(
    "member", ["shards-3", "shards-3-00000-of-00003", "shards-3-00002-of-00003"]
)
def test_any_shard_of_a_v1_checkpoint_is_the_checkpoint(fixtures: Path, member: str) -> None:
    checkpoint = opened(fixtures / "v1-checkpoint" / member, "checkpoint")
    assert (checkpoint.format, checkpoint.num_shards) == ("V1", 3)
    assert checkpoint.prefix == str(fixtures / "v1-checkpoint" / "shards-3")


def test_the_pattern_of_a_v1_saver_is_the_checkpoint(fixtures: Path) -> None:
    checkpoint = opened(fixtures / "v1-checkpoint" / "shards-3-?????-of-00003", "checkpoint")
    assert checkpoint.num_shards == 3


@pytest.mark.parametrize("member", ["", "saved_model.pb"])
def test_folder_and_message_are_the_saved_model(fixtures: Path, member: str) -> None:
    folder = fixtures / "saved-models" / "two_meta_graphs"
    model = opened(folder / member, "saved-model")
    assert model.path == str(folder)
    assert [asset.filename for asset in model.assets] == ["vocabulary.txt"]
    assert model.checkpoint is not None


def test_the_variables_of_a_saved_model_are_a_checkpoint(fixtures: Path) -> None:
    folder = fixtures / "digits" / "saved_model" / "variables"
    checkpoint = opened(folder / "variables", "checkpoint")
    directory = opened(folder, "checkpoint-directory")
    assert list(directory.latest.variables) == list(checkpoint.variables)
    assert directory.state is None


def test_a_checkpoint_in_the_working_folder_needs_no_folder(
    digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(digits)
    assert opened("my_model-4", "checkpoint").meta_graph is not None
    assert opened(".", "checkpoint-directory").latest.prefix == "./my_model-4"
    directory = opened("checkpoint", "checkpoint-directory")
    assert directory.latest is not None
    assert not directory.unlisted


# --- content before names ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x", "model.meta", "model.bin", "saved_model.pb", "a.pbtxt"])
@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("graphs/frozen.pb", "graph-def"),
        ("graphs/frozen.pbtxt", "graph-def"),
        ("graphs/model.meta", "meta-graph"),
        ("graphs/model.text.meta", "meta-graph"),
        ("saved-models/no_variables/saved_model.pb", "saved-model"),
        ("saved-models/text/saved_model.pbtxt", "saved-model"),
    ],
)
def test_a_graph_is_known_by_its_content(
    fixtures: Path, tmp_path: Path, source: str, kind: str, name: str
) -> None:
    shutil.copy(fixtures / source, tmp_path / name)
    artifact = opened(tmp_path / name, kind)
    misnamed = name == "saved_model.pb" and kind != "saved-model"
    assert any("no SavedModel" in note for note in artifact.notes) == misnamed


def test_a_v1_checkpoint_is_known_by_its_content(fixtures: Path, tmp_path: Path) -> None:
    shutil.copy(fixtures / "v1-checkpoint" / "model-3", tmp_path / "weights.bin")
    assert opened(tmp_path / "weights.bin", "checkpoint").format == "V1"


def test_a_state_file_under_another_name_is_one(digits: Path, tmp_path: Path) -> None:
    shutil.copytree(digits, tmp_path / "c")
    (tmp_path / "c" / "checkpoint").rename(tmp_path / "c" / "checkpoint_best")
    assert opened(tmp_path / "c" / "checkpoint_best", "checkpoint-directory").latest is not None


def test_an_index_under_another_name_looks_for_its_data_under_it(
    digits: Path, tmp_path: Path
) -> None:
    shutil.copy(digits / "my_model-4.index", tmp_path / "weights")
    checkpoint = opened(tmp_path / "weights", "checkpoint")
    assert len(checkpoint.variables) == len(tfa.open(digits / "my_model-4").variables)  # type: ignore[union-attr]
    assert "not named .index" in checkpoint.notes[0]
    (problem,) = checkpoint.problems
    assert problem.path == str(tmp_path / "weights.data-00000-of-00001")


def test_a_link_that_git_stored_as_a_file_is_followed_in_its_folder(
    digits: Path, tmp_path: Path
) -> None:
    shutil.copytree(digits, tmp_path / "c")
    (tmp_path / "c" / "latest.index").write_text("my_model-4.index")
    checkpoint = opened(tmp_path / "c" / "latest", "checkpoint")
    assert checkpoint.variables
    assert "symbolic link that was stored as a file" in checkpoint.notes[0]
    for elsewhere in ("../c/my_model-4.index", "latest.index", "gone.index", "x\0.index"):
        (tmp_path / "c" / "latest.index").write_text(elsewhere)
        refused(tmp_path / "c" / "latest", tfa.FormatError, "bytes")


# --- folders -------------------------------------------------------------------------------------


def test_a_folder_without_a_state_file_has_its_checkpoints_by_step(
    digits: Path, tmp_path: Path
) -> None:
    for old, new in [(2, 10), (3, 9), (4, 100)]:
        for suffix in (".index", ".data-00000-of-00001"):
            shutil.copy(digits / f"my_model-{old}{suffix}", tmp_path / f"m-{new}{suffix}")
    directory = opened(tmp_path, "checkpoint-directory")
    assert [checkpoint.step for checkpoint in directory.checkpoints] == [9, 10, 100]
    assert directory.latest.step == 100
    assert directory.notes[0].startswith("no checkpoint file: the checkpoints there are")


def test_a_damaged_checkpoint_does_not_hide_the_others(digits: Path, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    shutil.copytree(digits, folder)
    (folder / "my_model-3.index").write_bytes(b"")
    directory = opened(folder, "checkpoint-directory")
    assert [checkpoint.step for checkpoint in directory.checkpoints] == [2, 4]
    assert list(directory.broken) == [str(folder / "my_model-3")]


def test_a_saved_model_beside_checkpoints_comes_first(fixtures: Path, tmp_path: Path) -> None:
    shutil.copytree(fixtures / "digits" / "checkpoints", tmp_path / "c")
    shutil.copytree(fixtures / "digits" / "saved_model", tmp_path / "c", dirs_exist_ok=True)
    assert opened(tmp_path / "c", "saved-model").checkpoint is not None


def test_of_numbered_versions_the_highest_is_opened(fixtures: Path, tmp_path: Path) -> None:
    for version in ("2", "10", "9"):
        shutil.copytree(fixtures / "digits" / "saved_model", tmp_path / version)
    (tmp_path / "11").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    model = opened(tmp_path, "saved-model")
    assert model.path == str(tmp_path / "10")
    assert model.notes == (f"version 10 of {tmp_path}; also there: 2, 9",)


def test_a_flat_upload_is_a_saved_model(fixtures: Path, tmp_path: Path) -> None:
    source = fixtures / "digits" / "saved_model"
    shutil.copy(source / "saved_model.pb", tmp_path)
    for path in (source / "variables").iterdir():
        shutil.copy(path, tmp_path)
    model = opened(tmp_path, "saved-model")
    assert model.checkpoint.prefix == str(tmp_path / "variables")
    assert "TensorFlow does not load it as it is" in model.notes[0]


def test_a_folder_with_one_graph_is_that_graph(fixtures: Path, tmp_path: Path) -> None:
    shutil.copy(fixtures / "graphs" / "frozen.pb", tmp_path / "frozen_inference_graph.pb")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    assert opened(tmp_path, "graph-def").path == str(tmp_path / "frozen_inference_graph.pb")
    shutil.copy(fixtures / "graphs" / "frozen.pb", tmp_path / "other.pb")
    refused(tmp_path, tfa.NotThisFormatError, r"2 graphs, pass one: frozen_\S+, other\.pb")


def test_half_a_saved_model_is_named(fixtures: Path, tmp_path: Path) -> None:
    source = fixtures / "digits" / "saved_model" / "variables"
    shutil.copytree(source, tmp_path / "variables")
    refused(tmp_path, tfa.NotThisFormatError, "half a SavedModel; pass variables/")


def test_a_chunked_saved_model_is_named_and_its_variables_read(
    fixtures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(fixtures / "digits" / "saved_model", folder)
    (folder / "saved_model.pb").unlink()
    (folder / "saved_model.cpb").write_bytes(CHUNKED)
    refused(folder, tfa.UnsupportedError, r"in chunks .*pass \S+variables")
    refused(folder / "saved_model.cpb", tfa.FormatError, "in chunks")
    assert opened(folder / "variables" / "variables", "checkpoint").variables


def test_a_folder_of_nothing_of_ours_says_what_is_there(tmp_path: Path) -> None:
    refused(tmp_path, tfa.NotThisFormatError, "an empty folder")
    (tmp_path / "model.h5").write_bytes(HDF5)
    (tmp_path / "sub").mkdir()
    (tmp_path / "zero").write_bytes(b"")
    message = refused(tmp_path, tfa.NotThisFormatError, "expected a checkpoint")
    assert "model.h5 (an HDF5 file" in message
    assert "sub/" in message
    assert "zero (an empty file)" in message


# --- what is not there ---------------------------------------------------------------------------


def test_a_missing_path_is_answered_with_close_ones(digits: Path) -> None:
    refused(digits / "my_modle-4", tfa.PathNotFoundError, "did you mean .*my_model-4")
    refused(digits / "nowhere" / "x", tfa.PathNotFoundError, "no folder .*nowhere")
    line = refused("no/such", tfa.PathNotFoundError, "no folder no")
    assert line.startswith("no/such: ")
    with pytest.raises(FileNotFoundError):
        tfa.open("no/such")


def test_data_without_an_index_says_so(digits: Path, tmp_path: Path) -> None:
    shutil.copy(digits / "my_model-4.data-00000-of-00001", tmp_path)
    data = tmp_path / "my_model-4.data-00000-of-00001"
    refused(data, tfa.PathNotFoundError, r"my_model-4\.index is not beside it")
    refused(tmp_path / "my_model-4", tfa.PathNotFoundError, "without the index")
    refused(tmp_path / "my_model-4.index", tfa.PathNotFoundError, "no such|without the index")


def test_a_data_file_that_is_gone_names_the_prefix(tmp_path: Path) -> None:
    refused(tmp_path / "m.data-00000-of-00001", tfa.PathNotFoundError, r"prefix would be \S+/m\Z")


def test_an_index_without_data_still_lists(digits: Path, tmp_path: Path) -> None:
    shutil.copy(digits / "my_model-4.index", tmp_path)
    checkpoint = opened(tmp_path / "my_model-4", "checkpoint")
    assert checkpoint.variables
    (problem,) = checkpoint.problems
    assert problem.path == str(tmp_path / "my_model-4.data-00000-of-00001")
    with pytest.raises(FileNotFoundError, match="data-00000-of-00001: no such file"):
        next(iter(checkpoint.variables.values())).read()


# --- what is not a regular file ------------------------------------------------------------------


def test_links_are_followed(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").symlink_to(digits)
    assert opened(tmp_path / "folder", "checkpoint-directory").latest is not None
    for suffix in (".index", ".data-00000-of-00001"):
        (tmp_path / f"m{suffix}").symlink_to(digits / f"my_model-4{suffix}")
    checkpoint = opened(tmp_path / "m", "checkpoint")
    assert all(variable.read() is not None for variable in checkpoint.variables.values())


def test_links_that_lead_nowhere_or_round_are_told(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    refused(tmp_path / "dangling", tfa.PathNotFoundError, "no such file")
    refused(tmp_path / "a", tfa.PathNotFoundError, "too many levels of symbolic links")


@pytest.mark.parametrize(
    "name",
    ["pipe", "pipe.index", "pipe.meta", "checkpoint", "saved_model.pb", "m.data-00000-of-00001"],
)
def test_a_fifo_does_not_block(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(tfa.PathNotFoundError):
        tfa.open(tmp_path / name)
    if name == "pipe.index":
        (broken,) = opened(tmp_path, "checkpoint-directory").broken.values()
        assert broken.path == str(tmp_path / name)
    else:
        with pytest.raises(tfa.TfArtifactsError):
            tfa.open(tmp_path)


def test_a_device_is_not_read() -> None:
    for device in ("/dev/zero", "/dev/null"):
        line = refused(device, tfa.PathNotFoundError)
        assert line == f"{device}: found no regular file, expected one"


@pytest.mark.parametrize("name", ["saved_model.pb", "m.index", "m.meta", "m.data-00000-of-00001"])
def test_a_folder_with_the_name_of_a_file_is_a_folder(
    digits: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(digits, tmp_path / name)
    assert opened(tmp_path / name, "checkpoint-directory").latest is not None


def test_folders_in_the_place_of_files_are_told(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "m.index").mkdir()
    refused(tmp_path / "m", tfa.PathNotFoundError, "no regular file")
    (tmp_path / "saved_model.pb").mkdir()
    refused(tmp_path, tfa.PathNotFoundError, "no regular file")


def test_a_folder_named_checkpoint_is_no_state_file(digits: Path, tmp_path: Path) -> None:
    shutil.copytree(digits, tmp_path / "c" / "checkpoint")
    refused(tmp_path / "c", tfa.NotThisFormatError, "found checkpoint/")
    assert opened(tmp_path / "c" / "checkpoint", "checkpoint-directory").latest is not None


def test_what_may_not_be_read_says_why(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Modes mean nothing to root, so the refusal is the operating system's stand-in.
    def refuse(path: str, *_: object) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    for member in ("my_model-4", "my_model-4.meta", "checkpoint"):
        refused(digits / member, tfa.PathNotFoundError, "permission denied")


def test_a_folder_that_may_not_be_listed_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)
    refused(tmp_path, tfa.PathNotFoundError, "permission denied")


def test_a_file_larger_than_any_graph_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "huge.h5"
    with path.open("wb") as file:
        file.write(HDF5)
        file.truncate(1 << 40)
    refused(path, tfa.NotThisFormatError, "an HDF5 file")
    with path.open("r+b") as file:
        file.write(b"\x01" * len(HDF5))
    refused(path, tfa.NotThisFormatError, "1099511627776 bytes that are no")
    path.rename(tmp_path / "huge.index")
    refused(tmp_path / "huge.index", tfa.FormatError, "an index has at most")


# --- names ---------------------------------------------------------------------------------------

NAMES = ["a b", "[x]*?", "new\nline", "caf\udce9", "\x1b[2J", "-", "~", "%s{0}", "x" * 200]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_a_name(digits: Path, tmp_path: Path, name: str) -> None:
    for suffix in (".index", ".data-00000-of-00001", ".meta"):
        shutil.copy(digits / f"my_model-4{suffix}", tmp_path / f"{name}{suffix}")
    for member in (name, f"{name}.index", f"{name}.data-00000-of-00001"):
        checkpoint = opened(tmp_path / member, "checkpoint")
        assert checkpoint.prefix == str(tmp_path / name)
        assert checkpoint.meta_graph is not None
        assert not checkpoint.problems
    assert opened(tmp_path, "checkpoint-directory").latest.prefix == str(tmp_path / name)


@pytest.mark.parametrize("pattern", ["*", "my_model-?", "my_model-[4]", "*.index", "my_model-*"])
def test_nothing_is_globbed(digits: Path, pattern: str) -> None:
    refused(digits / pattern, tfa.PathNotFoundError, "no such")


@pytest.mark.parametrize("path", ["a\0b", "\0", "a\0b.index", "x" * 300, "x/" * 3000, ""])
def test_a_name_that_cannot_be_is_not_found(path: str) -> None:
    with pytest.raises(tfa.PathNotFoundError):
        tfa.open(path)


# --- state files ---------------------------------------------------------------------------------


def state(folder: Path, *paths: str) -> Path:
    """A state file in the folder that names these paths, the last as the latest."""
    lines = [f"model_checkpoint_path: {json.dumps(paths[-1])}"]
    lines += [f"all_model_checkpoint_paths: {json.dumps(path)}" for path in paths]
    (folder / "checkpoint").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def runs(digits: Path, tmp_path: Path) -> Path:
    """A folder `runs` with two checkpoints and no state file; another, `elsewhere`, beside it."""
    for folder, step in [("runs", 2), ("runs", 3), ("elsewhere", 4)]:
        (tmp_path / folder).mkdir(exist_ok=True)
        for suffix in (".index", ".data-00000-of-00001", ".meta"):
            shutil.copy(digits / f"my_model-{step}{suffix}", tmp_path / folder)
    return tmp_path / "runs"


def entries(directory: tfa.CheckpointDirectory) -> list[tuple[str | None, bool, bool]]:
    return [
        (
            None if entry.prefix is None else os.path.basename(entry.prefix),
            entry.relocated,
            entry.outside,
        )
        for entry in directory.entries
    ]


def test_relative_and_absolute_paths_are_found(runs: Path) -> None:
    directory = opened(state(runs, "my_model-2", str(runs / "my_model-3")), "checkpoint-directory")
    assert entries(directory) == [("my_model-2", False, False), ("my_model-3", False, False)]
    assert directory.latest.step == 3


@pytest.mark.parametrize(
    "recorded",
    [
        "/home/someone/gone/my_model-3",
        "gone/my_model-3",
        "../gone/my_model-3",
        "C:\\Users\\someone\\my_model-3",
        "gone\\my_model-3",
        "\\\\server\\share\\my_model-3",
        "gs://bucket/run/my_model-3",
    ],
)
def test_a_stale_path_is_looked_for_beside_the_state_file(runs: Path, recorded: str) -> None:
    directory = opened(state(runs, recorded), "checkpoint-directory")
    assert entries(directory) == [("my_model-3", True, False)]
    assert directory.latest.prefix == str(runs / "my_model-3")
    assert [checkpoint.step for checkpoint in directory.unlisted] == [2]


@pytest.mark.parametrize("recorded", ["../elsewhere/my_model-4", "{absolute}", "link/my_model-4"])
def test_a_path_that_leads_outside_is_followed_on_request_only(runs: Path, recorded: str) -> None:
    outside = runs.parent / "elsewhere"
    (runs / "link").symlink_to(outside)
    recorded = recorded.format(absolute=outside / "my_model-4")
    directory = opened(state(runs, recorded), "checkpoint-directory")
    assert entries(directory) == [(None, False, True)]
    assert directory.latest is None
    assert recorded in directory.notes[0]
    assert "outside this folder" in directory.notes[0]
    followed = opened(runs, "checkpoint-directory", follow_external=True)
    assert followed.latest.step == 4
    assert entries(followed) == [("my_model-4", False, False)]


def test_one_outside_and_one_of_its_name_inside_gives_the_one_inside(
    runs: Path, digits: Path
) -> None:
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(digits / f"my_model-4{suffix}", runs)
    outside = runs.parent / "elsewhere" / "my_model-4"
    directory = opened(state(runs, str(outside)), "checkpoint-directory")
    assert entries(directory) == [("my_model-4", True, True)]
    assert directory.latest.prefix == str(runs / "my_model-4")
    assert "beside it was taken" in directory.notes[0]
    followed = opened(runs, "checkpoint-directory", follow_external=True)
    assert followed.latest.prefix == str(outside)


def test_a_folder_below_is_inside(runs: Path, digits: Path) -> None:
    shutil.copytree(digits, runs / "sub")
    directory = opened(state(runs, "sub/my_model-4", "./my_model-2"), "checkpoint-directory")
    assert [entry.outside for entry in directory.entries] == [False, False]
    assert [checkpoint.step for checkpoint in directory.checkpoints] == [4, 2]


def test_the_folder_itself_may_be_a_link(runs: Path) -> None:
    state(runs, str(runs / "my_model-3"))
    (runs.parent / "link").symlink_to(runs)
    assert opened(runs.parent / "link", "checkpoint-directory").latest.step == 3


@pytest.mark.parametrize(
    "recorded",
    ["gone", "..", ".", "/", "", "a/..", "../runs/..", "x" * 5000, "a\0b", "*", "my_model-?"],
)
def test_a_path_that_is_nowhere_is_told(runs: Path, recorded: str) -> None:
    directory = opened(state(runs, recorded, "my_model-3"), "checkpoint-directory")
    assert entries(directory) == [(None, False, False), ("my_model-3", False, False)]
    assert directory.latest.step == 3


def test_a_path_named_twice_is_one_checkpoint(runs: Path) -> None:
    state(runs, "my_model-3", "my_model-2", "my_model-3")
    directory = opened(runs, "checkpoint-directory")
    assert [checkpoint.step for checkpoint in directory.checkpoints] == [3, 2]
    assert directory.latest.step == 3


def test_the_pattern_of_a_sharded_v1_saver_is_understood(fixtures: Path, tmp_path: Path) -> None:
    for path in (fixtures / "v1-checkpoint").glob("shards-3-*"):
        shutil.copy(path, tmp_path)
    directory = opened(state(tmp_path, "shards-3-?????-of-00003"), "checkpoint-directory")
    assert directory.latest.num_shards == 3
    assert not directory.unlisted


UNPARSABLE = {
    "binary": b"\x00\x01\x02\x03",
    "no field": b"hello: world\n",
    "unknown field": b'model_checkpoint_path: "m"\nmodel_color: "red"\n',
    "open string": b'model_checkpoint_path: "m\n',
    "no quotes": b"model_checkpoint_path: m\n",
    "two strings": b'model_checkpoint_path: "m" , "n"\n',
    "not UTF-8": b'model_checkpoint_path: "\xff"\n',
    "a number": b"model_checkpoint_path: 7\n",
    "no latest": b'all_model_checkpoint_paths: "m"\n',
    "empty latest": b'model_checkpoint_path: ""\n',
    "blank": b" \n# nothing\n",
    "JSON": b'{"model_checkpoint_path": "m"}',
}


@pytest.mark.parametrize("case", UNPARSABLE)
@pytest.mark.parametrize("member", ["", "checkpoint"])
def test_a_state_file_that_is_none_is_damage(runs: Path, case: str, member: str) -> None:
    (runs / "checkpoint").write_bytes(UNPARSABLE[case])
    line = refused(runs / member, tfa.FormatError)
    assert line.startswith(f"{runs / 'checkpoint'}: ")


# --- what is not ours ----------------------------------------------------------------------------

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(88)
# The first chunk of a Riegeli file, as experimental_image_format writes them.
CHUNKED = bytes.fromhex("83af70d10d884a3f 0000000000000000 4000000000000000 91bac23c9287e1a9")


def zipped(**members: bytes) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return output.getvalue()


def npz() -> bytes:
    output = io.BytesIO()
    np.savez(output, weights=np.zeros(3))
    return output.getvalue()


def npy() -> bytes:
    output = io.BytesIO()
    np.save(output, np.zeros(3))
    return output.getvalue()


def tar() -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model"))
    return output.getvalue()


def tfrecord(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return b"".join(
        (
            length,
            struct.pack("<I", mask(crc32c(length))),
            payload,
            struct.pack("<I", mask(crc32c(payload))),
        )
    )


def safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


ONNX = b"\x08\x07\x12\x07pytorch\x1a\x041.13:\x10\x0a\x0e\x0a\x01x\x12\x01y\x22\x04Relu"

FOREIGN: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (bytes, "an empty file"),
    "HDF5": (lambda: HDF5, r"an HDF5 file \(Keras"),
    "PyTorch": (
        lambda: zipped(archive__data_dot_pkl=b"\x80\x02}.", archive__version=b"3\n"),
        "a PyTorch checkpoint",
    ),
    "pickle": (lambda: pickle.dumps({"weights": [1.0]}, 2), "a Python pickle"),
    "pickle 5": (lambda: pickle.dumps({"weights": [1.0]}, 5), "a Python pickle"),
    "git-lfs": (
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "a git-lfs pointer.*git lfs pull",
    ),
    "HTML": (lambda: b"\n<!DOCTYPE html>\n<html>404</html>", "an HTML or XML page"),
    "XML": (lambda: b'<?xml version="1.0"?><Error/>', "an HTML or XML page"),
    "gzip": (lambda: gzip.compress(b"x" * 100), "a gzip archive; unpack it first"),
    "tar": (tar, "a tar archive"),
    "zip": (lambda: zipped(readme=b"hello"), "a zip archive"),
    "safetensors": (safetensors, "a safetensors file"),
    "TFLite": (lambda: b"\x1c\0\0\0TFL3" + bytes(100), "a TensorFlow Lite model"),
    "ONNX": (lambda: ONNX, "what looks like an ONNX model"),
    "npz": (npz, r"a NumPy archive \(\.npz\)"),
    "npy": (npy, "a NumPy array"),
    "Keras": (
        lambda: zipped(metadata_dot_json=b"{}", config_dot_json=b"{}"),
        r"a Keras archive \(\.keras\)",
    ),
    "TFRecord": (lambda: tfrecord(b"\x0a\x03abc"), "a TFRecord file"),
    "JSON": (lambda: b'{"weights": [1, 2]}', "what looks like JSON"),
    "chunked": (lambda: CHUNKED + bytes(100), r"a SavedModel in chunks \(\.cpb"),
    "PNG": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(8), "a PNG picture"),
    "text": (lambda: b"Dear diary,\n", "found text of no kind known"),
    "noise": (lambda: bytes(range(255, 100, -1)), "found a binary file of no kind known"),
    "zeros": (lambda: bytes(1000), "found a binary file of no kind known"),
}

FOREIGN_NAMES = ["model", "model.ckpt-7", "model.h5", "model.index", "frozen.txt"]


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("name", FOREIGN_NAMES)
def test_what_is_not_ours_is_named(kind: str, name: str, tmp_path: Path) -> None:
    make, message = FOREIGN[kind]
    path = tmp_path / name
    path.write_bytes(make())
    if name == "model.index" and kind in ("text", "noise", "zeros"):
        # By its name it is an index, and a damaged one.
        line = refused(path, tfa.FormatError, "a table has at least|expected 0x57fb80")
    else:
        line = refused(path, tfa.NotThisFormatError, message)
    assert line.startswith(f"{path}: ")


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("name", ["model.meta", "saved_model.pb", "graph.pb", "graph.pbtxt"])
def test_what_is_no_graph_but_named_as_one_is_named(kind: str, name: str, tmp_path: Path) -> None:
    make, message = FOREIGN[kind]
    path = tmp_path / name
    path.write_bytes(make())
    if kind in ("text", "noise", "zeros"):
        refused(path, tfa.FormatError, "found")
    else:
        refused(path, tfa.NotThisFormatError, message)


@pytest.mark.parametrize("name", ["fingerprint.pb", "keras_metadata.pb"])
def test_parts_of_a_saved_model_lead_to_it(fixtures: Path, tmp_path: Path, name: str) -> None:
    path = fixtures / "keras" / "export" / "fingerprint.pb"
    shutil.copy(path, tmp_path / name)
    refused(tmp_path / name, tfa.NotThisFormatError, f"{name}, a part of a SavedModel; pass its")


# What a fresh pair of eyes found: each once went wrong without a word.


def test_of_two_sets_of_v1_shards_the_one_named_is_read(digits: Path, tmp_path: Path) -> None:
    source = digits.parents[1] / "v1-checkpoint"
    shutil.copy(source / "model-3", tmp_path / "m-00000-of-00001")
    for shard in ("00000-of-00002", "00001-of-00002"):
        shutil.copy(source / f"sharded-{shard}", tmp_path / f"m-{shard}")
    one = opened(tmp_path / "m-00000-of-00001", "checkpoint")
    two = opened(tmp_path / "m-00001-of-00002", "checkpoint")
    assert [Path(file.path).name for file in one.files] == ["m-00000-of-00001"]
    assert [Path(file.path).name for file in two.files] == ["m-00000-of-00002", "m-00001-of-00002"]
    state(tmp_path, "m-?????-of-00001")
    directory = opened(tmp_path, "checkpoint-directory")
    assert [file.path for file in directory.latest.files] == [file.path for file in one.files]
    with pytest.raises(tfa.NotThisFormatError, match="found 2 sets of shards"):
        tfa.open(tmp_path / "m")


def test_a_checkpoint_beside_a_saved_model_is_not_its_variables(
    fixtures: Path, digits: Path, tmp_path: Path
) -> None:
    shutil.copy(fixtures / "digits" / "saved_model" / "saved_model.pb", tmp_path)
    for file in digits.iterdir():
        shutil.copy(file, tmp_path)
    model = opened(tmp_path, "saved-model")
    assert model.checkpoint is None
    assert "variables are missing" in model.notes[0]


def test_checkpoints_of_keras_are_in_natural_order(digits: Path, tmp_path: Path) -> None:
    for step in (9, 10):
        for suffix in (".index", ".data-00000-of-00001"):
            shutil.copy(digits / f"my_model-4{suffix}", tmp_path / f"cp-{step}.ckpt{suffix}")
    directory = opened(tmp_path, "checkpoint-directory")
    assert directory.latest.prefix == str(tmp_path / "cp-10.ckpt")
    assert directory.latest.step == 10


def test_the_current_folder_may_change_after_opening(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(digits)
    checkpoint = tfa.open("my_model-4")
    assert isinstance(checkpoint, tfa.Checkpoint)
    monkeypatch.chdir(tmp_path)
    assert checkpoint.meta_graph is not None
    assert checkpoint.variables["dense/bias"].read().shape == (32,)
    assert checkpoint.problems == ()


def test_a_prefix_may_have_the_name_of_a_folder_or_file(digits: Path, tmp_path: Path) -> None:
    shutil.copytree(digits, tmp_path, dirs_exist_ok=True)
    (tmp_path / "my_model-4").mkdir()
    (tmp_path / "my_model-3").write_text("notes")
    assert opened(tmp_path / "my_model-4", "checkpoint").step == 4
    assert opened(tmp_path / "my_model-3", "checkpoint").step == 3


def test_a_state_file_may_name_a_member(runs: Path) -> None:
    directory = opened(state(runs, "my_model-3.index"), "checkpoint-directory")
    assert directory.latest.step == 3


def test_yaml_is_no_graph(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text("version: 1\nservices: {}\n")
    (tmp_path / "other.yml").write_text("library: x\n")
    for name in ("docker-compose.yml", "other.yml"):
        with pytest.raises(tfa.NotThisFormatError, match="of no kind known here"):
            tfa.open(tmp_path / name)


def test_a_path_may_be_bytes(digits: Path) -> None:
    assert tfa.open(bytes(digits / "my_model-4")).kind == "checkpoint"


# --- paths that lead out -------------------------------------------------------------------------


@pytest.mark.parametrize("recorded", ["/dev/zero-00000-of-00002", "../elsewhere/m", "/etc/passwd"])
def test_what_a_state_file_names_outside_is_neither_listed_nor_opened(
    tmp_path: Path, recorded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{recorded}"\n')
    touched: list[str] = []
    for name in ("open", "listdir"):
        monkeypatch.setattr(os, name, noting(getattr(os, name), touched))
    assert opened(folder, "checkpoint-directory").latest is None
    assert str(folder / "checkpoint") in touched
    assert all(path == str(folder) or path.startswith(f"{folder}/") for path in touched)
    assert not any(".." in path for path in touched)


def noting(call: Callable[..., Any], touched: list[str]) -> Callable[..., Any]:
    """The call, which notes the path it is given."""

    def noted(path: str, *rest: Any) -> Any:
        touched.append(path)
        return call(path, *rest)

    return noted


@pytest.mark.parametrize("recorded", ["a\\000b", "x" * 5000, "a/" * 5000 + "m"])
def test_a_path_that_no_system_takes_is_none(tmp_path: Path, recorded: str) -> None:
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{recorded}"\n')
    assert opened(tmp_path, "checkpoint-directory").latest is None


def test_a_folder_of_assets_that_leads_out_is_not_listed(fixtures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(fixtures / "saved-models" / "two_meta_graphs", folder)
    (folder / "assets").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "secret").write_text("")
    for name in ("assets", "assets.extra"):
        (folder / name).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    model = opened(folder, "saved-model")
    assert "secret" not in {asset.filename for asset in model.assets}
    assert not any(file.path.endswith("secret") for file in model.other_files)
    assert "assets.extra is a link out of the SavedModel: not followed" in model.notes


def test_more_than_memory_holds_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "holes"
    with path.open("wb") as file:
        file.truncate(1 << 43)
    with pytest.raises(tfa.UnsupportedError, match="more than there is memory for"):
        read_range(str(path), 0, 1 << 43)
