"""`tfartifacts export` and `tfartifacts import`: what they say, and of bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tfartifacts as tfa
from tests.exchange_files import checkpoint_of, left_in, opened
from tfartifacts.__main__ import run

FLOATS = {"a/kernel": np.ones((2, 3), np.float32), "a/bias": np.zeros(3, np.float32)}


def test_the_commands_say_what_they_did(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(fixtures / "bert-style")
    path = str(tmp_path / "m.safetensors")
    assert run(["export", source, path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"wrote {path}: safetensors, from ")
    assert "  tensors       76" in lines
    assert lines[-1] == "  optimizer     50 tensors of these; --strip-optimizer leaves them out"
    assert run(["import", path, str(tmp_path / "out" / "m"), "--step", "5", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["kind"]) == (1, "checkpoint")
    assert document["path"] == str(tmp_path / "out" / "m-5")
    found = opened(tmp_path / "out" / "m-5")
    assert int(found.variables["global_step"].read()) == 5
    assert run(["export", source, path, "--json", "--dry-run", "--overwrite"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["kind"], len(document["tensors"])) == (1, "export", 76)
    assert run(["export", source, path, "--filter", "pooler", "--dry-run", "--overwrite"]) == 0
    assert "bert/pooler/dense/kernel" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["export", "{digits}", "{out}/m.h5"], 2, "found the file type '.h5'"),
        (["export", "{digits}", "{out}/m"], 2, "found the file type ''"),
        (["export", "{digits}", "{out}/taken.npz"], 2, "exists already"),
        (["export", "{digits}", "{out}/m.npz", "--keep", "x*"], 2, "which no variable matches"),
        (["export", "{digits}", "{out}/m.npz", "--map", "{out}/none"], 3, "no such file"),
        (["export", "{out}/none", "{out}/m.npz"], 3, "none"),
        (["export", "{dtypes}", "{out}/m.safetensors"], 2, "cannot hold"),
        (["export", "{digits}", "{out}/m.safetensors", "--preset", "bert-pytorch"], 2, "no place"),
        (["import", "{out}/none.npz", "{out}/m"], 3, "no such file"),
        (["import", "{out}/text", "{out}/m"], 3, "expected safetensors, .npz or .npy"),
        (["import", "{out}/cut.npz", "{out}/m"], 4, "truncated or damaged"),
        (["import", "{out}/good.npz", "{out}/have"], 2, "exists already"),
        (["import", "{out}/good.npz", "{out}/m", "--map", "{out}/map"], 3, "no tensor 'none'"),
        (["import", "{out}/good.npz", "{out}/m", "--dtype", "w"], 2, "expected NAME=TYPE"),
        (["import", "{out}/good.npz", "{out}/m", "--dtype", "a/bias=int5"], 2, "'int5'"),
    ],
)
def test_bad_input_is_told_and_leaves_nothing(
    arguments: list[str],
    code: int,
    message: str,
    fixtures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "taken.npz").write_text("mine")
    (tmp_path / "text").write_text("text")
    (tmp_path / "map").write_text("none\tx\n")
    tfa.export(checkpoint_of(FLOATS), tmp_path / "good.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:300])
    tfa.save(checkpoint_of(FLOATS), tmp_path / "have")
    before = left_in(tmp_path)
    places = {
        "digits": fixtures / "digits" / "checkpoints",
        "dtypes": fixtures / "dtypes",
        "out": tmp_path,
    }
    assert run([argument.format(**places) for argument in arguments]) == code
    streams = capsys.readouterr()
    assert not streams.out
    assert streams.err.startswith("tfartifacts: error: ")
    assert message in streams.err
    assert left_in(tmp_path) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_of_the_whole_is_not_written_beside_an_old_index(
    tmp_path: Path, overwrite: bool
) -> None:
    path = tmp_path / "m.safetensors"
    tfa.export(checkpoint_of(FLOATS), path, max_shard_size=12)
    before = left_in(tmp_path)
    with pytest.raises(tfa.DestinationExistsError, match="of an export in several files"):
        tfa.export(checkpoint_of(FLOATS), path, overwrite=overwrite)
    assert left_in(tmp_path) == before


def test_a_folder_with_a_whole_and_an_index_is_not_guessed_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tfa.export(checkpoint_of(FLOATS), tmp_path / "in" / "m.safetensors", max_shard_size=12)
    tfa.export(checkpoint_of(FLOATS), tmp_path / "other.safetensors")
    (tmp_path / "other.safetensors").rename(tmp_path / "in" / "m.safetensors")
    assert run(["import", str(tmp_path / "in"), str(tmp_path / "out" / "m")]) == 2
    assert "may be of two exports" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
