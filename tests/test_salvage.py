"""Salvage: what is intact of a damaged checkpoint, written whole and read by TensorFlow."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tests.conftest import PROJECT
from tests.conversion import same_bits
from tests.judges.client import Judge
from tests.operations import tree
from tests.test_checkpoint_checks import (
    Change,
    blocks_of,
    change,
    entry,
    flip,
    large_v1,
    told,
)
from tests.test_damage import SEED, VICTIMS, Victim, bounded, damaged, values_of
from tests.test_tensor_bundle import checkpoint_of, create, variable, write_raw
from tfartifacts.__main__ import run
from tfartifacts.checks.checkpoints import check_checkpoint
from tfartifacts.checks.salvage import Salvaged
from tfartifacts.errors import ConversionError, FormatError, PathNotFoundError, TfArtifactsError
from tfartifacts.formats.bundle_writing import write_bundle
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.wire import put_integer

DATA = ".data-00000-of-00001"


@pytest.fixture
def copied(fixtures: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies a fixture's folder; gives the prefix there."""

    def copy(prefix: str) -> Path:
        folder, _, base = prefix.rpartition("/")
        shutil.copytree(fixtures / folder, tmp_path / "source")
        return tmp_path / "source" / base

    return copy


def changed(prefix: Path, tail: str, how: Change) -> None:
    change(Path(f"{prefix}{tail}"), how)


def saved(salvaged: Salvaged, tmp_path: Path) -> Path:
    """The prefix it was saved to, clean."""
    prefix = tmp_path / "salvaged" / "m"
    tfa.save(salvaged.checkpoint, prefix)
    assert told(check_checkpoint(str(prefix))) == []
    return prefix


def assert_judged(judge: Judge, original: Path, prefix: Path, lost: set[str]) -> None:
    """TensorFlow reads the salvaged checkpoint: all but the lost, to the last bit."""
    before, after = judge.list_checkpoint(original), judge.list_checkpoint(prefix)
    assert after.keys() == before.keys() - lost
    assert after
    for name, facts in after.items():
        assert facts == before[name], name


# ---------------------------------------------------------------- damage, and TensorFlow's word


@pytest.mark.parametrize(
    ("fixture", "damage", "lost"),
    [
        (
            "digits/checkpoints/my_model-4",
            [(DATA, flip(0)), (DATA, flip(33_900))],
            {"beta1_power", "dense_1/kernel/Adam_1"},
        ),
        ("digits/checkpoints/my_model-4", [(DATA, lambda d: d.pop())], {"dense_1/kernel/Adam_1"}),
        ("tensorflow-1.15/part/model.ckpt-5", [(DATA, flip(3))], None),
        ("partitioned/partitioned", [(".data-00001-of-00002", flip(10))], {"matrix"}),
        ("partitioned/partitioned", [(".index", flip(-1))], set()),
    ],
)
def test_what_is_intact_is_read_by_tensorflow(
    tensorflow: Judge,
    fixtures: Path,
    copied: Callable[[str], Path],
    tmp_path: Path,
    fixture: str,
    damage: list[tuple[str, Change]],
    lost: set[str] | None,
) -> None:
    prefix = copied(fixture)
    for tail, how in damage:
        changed(prefix, tail, how)
    salvaged = tfa.salvage(prefix)
    assert not salvaged.is_whole
    if lost is None:
        assert len(salvaged.lost) == 1
    else:
        assert set(salvaged.lost) == lost
    assert_judged(tensorflow, fixtures / fixture, saved(salvaged, tmp_path), set(salvaged.lost))


def test_a_missing_shard_loses_what_it_held(
    tensorflow: Judge, fixtures: Path, copied: Callable[[str], Path], tmp_path: Path
) -> None:
    prefix = copied("partitioned/partitioned")
    Path(f"{prefix}.data-00000-of-00002").unlink()
    salvaged = tfa.salvage(prefix)
    assert {"matrix", "vector", "words"} <= set(salvaged.lost)
    assert "data-00000-of-00002 is missing" in salvaged.lost["words"]
    original = fixtures / "partitioned" / "partitioned"
    assert_judged(tensorflow, original, saved(salvaged, tmp_path), set(salvaged.lost))


def test_every_type_is_salvaged(
    tensorflow_2_21: Judge, fixtures: Path, copied: Callable[[str], Path], tmp_path: Path
) -> None:
    prefix = copied("dtypes/dtypes")
    for at in (570, 680, 17_330):  # int4/vector, string/matrix, the variant
        changed(prefix, DATA, flip(at))
    salvaged = tfa.salvage(prefix)
    assert set(salvaged.lost) == {"int4/vector", "string/matrix", "variant/tensor_list"}
    original = fixtures / "dtypes" / "dtypes"
    assert_judged(tensorflow_2_21, original, saved(salvaged, tmp_path), set(salvaged.lost))


def many(folder: Path) -> Path:
    """A checkpoint whose index has several blocks."""
    names = (f"layer_{i:05d}/with_a_long_name_{i * 7919:09d}" for i in range(15_000))
    variables = [variable(name, np.array([i], np.int32)) for i, name in enumerate(names)]
    folder.mkdir()
    write_bundle(checkpoint_of(*variables), str(folder / "m"), create)
    return folder / "m"


@pytest.mark.parametrize("damage", ["a block", "the header", "the index block", "the end"])
def test_a_damaged_index_loses_no_more_than_its_blocks(
    tensorflow_2_21: Judge, tmp_path: Path, damage: str
) -> None:
    prefix = many(tmp_path / "source")
    original = tmp_path / "original"
    shutil.copytree(prefix.parent, original)
    data = Path(f"{prefix}.index").read_bytes()
    blocks = blocks_of(data)
    assert len(blocks) >= 3
    places = {"a block": blocks[1][0] + 9, "the header": 9, "the index block": -90}
    changed(
        prefix,
        ".index",
        (lambda d: d.__delitem__(slice(-9, None))) if damage == "the end" else flip(places[damage]),
    )
    salvaged = tfa.salvage(prefix)
    assert salvaged.is_complete is (damage in ("the index block", "the end"))
    names = set(tfa.open(original / "m").variables)  # type: ignore[union-attr]
    kept = set(salvaged.checkpoint.variables)
    assert kept == names if salvaged.is_complete else 5_000 < len(kept) < 15_000
    assert_judged(tensorflow_2_21, original / "m", saved(salvaged, tmp_path), names - kept)
    doubtful = tfa.salvage(prefix, unchecked_names=True)
    # A damaged length takes those up to the next restart, 16 entries, at most.
    assert len(doubtful.checkpoint.variables) >= 15_000 - 32
    assert set(doubtful.unchecked) == set(doubtful.checkpoint.variables) - kept


def test_one_wrong_bit_in_a_small_index_makes_all_of_it_doubtful(
    tensorflow: Judge, fixtures: Path, copied: Callable[[str], Path], tmp_path: Path
) -> None:
    prefix = copied("digits/checkpoints/my_model-4")
    # In the checksum of one entry: that one is lost.
    index = Path(f"{prefix}.index").read_bytes()
    at = index.index(b"conv2d/bias") - 4
    changed(prefix, ".index", flip(at))
    with pytest.raises(FormatError, match="--unchecked-names"):
        tfa.salvage(prefix)
    changed(prefix, DATA, flip(33_900))
    salvaged = tfa.salvage(prefix, unchecked_names=True)
    assert "dense_1/kernel/Adam_1" in salvaged.lost
    assert len(salvaged.lost) <= 2
    assert len(salvaged.unchecked) == len(salvaged.checkpoint.variables) >= 30
    original = fixtures / "digits" / "checkpoints" / "my_model-4"
    path = saved(salvaged, tmp_path)
    before, after = tensorflow.list_checkpoint(original), tensorflow.list_checkpoint(path)
    assert after.keys() <= before.keys()
    assert all(facts == before[name] for name, facts in after.items())
    assert any("named in a damaged block" in note for note in salvaged.checkpoint.notes)


def test_a_lost_header_is_taken_from_the_names_of_the_data_files(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    # The first block holds the header and a name, the second, with all the rest, is sound.
    sizes = {"a": 1, "b" * 300_000: 1, "c": 3}
    variables = [variable(name, np.arange(n, dtype=np.int32)) for name, n in sizes.items()]
    write_bundle(checkpoint_of(*variables, num_shards=3), str(source / "m"), create)
    assert len(blocks_of((source / "m.index").read_bytes())) >= 2
    changed(source / "m", ".index", flip(6))
    salvaged = tfa.salvage(source / "m")
    assert salvaged.checkpoint.num_shards == 3
    assert "c" in salvaged.checkpoint.variables
    assert "a" in salvaged.lost
    path = saved(salvaged, tmp_path)
    assert tfa.open(path).variables["c"].read().tolist() == [0, 1, 2]  # type: ignore[union-attr]


def test_a_big_endian_checkpoint_is_written_little(tmp_path: Path) -> None:
    data = (7).to_bytes(4, "big") + b"junk"
    prefix = write_raw(
        tmp_path / "m",
        {
            b"": put_integer(1, 1) + put_integer(2, 1),
            b"i": entry(3, (), 0, 4, mask(crc32c(data[:4]))),
            b"w": entry(3, (), 4, 4, 1),
        },
        data,
    )
    salvaged = tfa.salvage(prefix)
    assert set(salvaged.lost) == {"w"}
    path = saved(salvaged, tmp_path)
    assert Path(f"{path}{DATA}").read_bytes() == (7).to_bytes(4, "little")


@pytest.mark.parametrize("unchecked_names", [False, True])
@pytest.mark.parametrize(
    "victim",
    [victim for victim in VICTIMS if victim.is_checked],
    ids=lambda victim: f"{victim.folder}/{victim.file}",
)
def test_whatever_is_damaged_what_is_salvaged_is_true(
    victim: Victim, fixtures: Path, tmp_path: Path, *, unchecked_names: bool
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(fixtures / victim.folder, folder)
    prefix = folder / victim.opened
    original = values_of(tfa.open(prefix))  # type: ignore[arg-type]
    data = (folder / victim.file).read_bytes()
    source = random.Random(f"{SEED} {victim} salvage")
    num_saved = 0
    for case in range(40):
        other = damaged(source, data)
        if other == data:
            continue
        (folder / victim.file).write_bytes(other)
        with bounded(2):
            try:
                salvaged = tfa.salvage(prefix, unchecked_names=unchecked_names)
                destination = tmp_path / str(case) / "m"
                tfa.save(salvaged.checkpoint, destination)
            except TfArtifactsError:
                continue
        num_saved += 1
        found = tfa.open(destination)
        assert isinstance(found, tfa.Checkpoint)
        for name, value in values_of(found).items():
            if name in salvaged.unchecked:
                # Its name may be another's; its values are those of one.
                assert name not in original or value[2] == original[name][2]
            else:
                assert value == original[name]
        # A table of one block is lost with it: V1 has no checksums of single tensors.
    one_block = victim.file.endswith(("model-3", "all_forms", ".index"))
    assert num_saved or one_block or not unchecked_names


# ---------------------------------------------------------------- what goes with the variables


def test_a_graph_is_kept_if_it_can_be_read(copied: Callable[[str], Path], tmp_path: Path) -> None:
    prefix = copied("digits/checkpoints/my_model-4")
    changed(prefix, DATA, flip(0))
    salvaged = tfa.salvage(prefix)
    assert salvaged.graph_fault is None
    path = saved(salvaged, tmp_path)
    assert Path(f"{path}.meta").is_file()
    assert any("restore op asks for lost variables" in n for n in salvaged.checkpoint.notes)
    meta = Path(f"{prefix}.meta")
    meta.write_bytes(meta.read_bytes()[:-7])
    salvaged = tfa.salvage(prefix)
    assert salvaged.graph_fault is not None
    assert "my_model-4.meta" in salvaged.graph_fault
    other = tmp_path / "other" / "m"
    tfa.save(salvaged.checkpoint, other)
    assert not Path(f"{other}.meta").exists()
    # With variables that are all intact a damaged graph alone is left out.
    changed(prefix, DATA, flip(0))
    salvaged = tfa.salvage(prefix)
    assert (len(salvaged.checkpoint.variables), salvaged.is_whole) == (32, False)


def test_an_object_graph_is_kept_only_intact(
    tensorflow_2_21: Judge, fixtures: Path, copied: Callable[[str], Path], tmp_path: Path
) -> None:
    prefix = copied("keras/ckpt-1")
    changed(prefix, DATA, flip(0))
    salvaged = tfa.salvage(prefix)
    assert "_CHECKPOINTABLE_OBJECT_GRAPH" in salvaged.checkpoint.variables
    assert any("does not restore objects" in note for note in salvaged.checkpoint.notes)
    original = fixtures / "keras" / "ckpt-1"
    assert_judged(tensorflow_2_21, original, saved(salvaged, tmp_path), set(salvaged.lost))
    changed(prefix, DATA, flip(0))
    changed(prefix, DATA, flip(700))
    salvaged = tfa.salvage(prefix)
    assert set(salvaged.lost) == {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    assert any("the object graph is lost" in note for note in salvaged.checkpoint.notes)


def test_of_a_saved_model_the_variables_are_salvaged(
    copied: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copied("digits/saved_model/saved_model.pb").parent
    changed(folder / "variables" / "variables", DATA, flip(0))
    (folder / "saved_model.pb").write_bytes(b"damaged")
    for path in (folder, folder / "saved_model.pb", folder / "variables"):
        salvaged = tfa.salvage(path)
        assert set(salvaged.lost) == {"beta1_power"}
        assert len(salvaged.checkpoint.variables) == 31
    saved(salvaged, tmp_path)


def test_of_a_folder_the_latest_checkpoint_is_salvaged(copied: Callable[[str], Path]) -> None:
    prefix = copied("digits/checkpoints/my_model-4")
    folder = prefix.parent
    changed(prefix, ".index", flip(-1))
    members = [Path(f"{prefix}{tail}") for tail in (".index", ".meta", DATA)]
    for member in (folder, folder / "checkpoint", *members):
        assert tfa.salvage(member).checkpoint.path == str(prefix)
    (folder / "checkpoint").unlink()
    with pytest.raises(ConversionError, match="found 3 checkpoints; pass one of"):
        tfa.salvage(folder)
    for number in (2, 3):
        for path in folder.glob(f"my_model-{number}*"):
            path.unlink()
    assert tfa.salvage(folder).checkpoint.path == str(prefix)


def test_what_is_intact_comes_out_as_it_is(copied: Callable[[str], Path], tmp_path: Path) -> None:
    prefix = copied("digits/checkpoints/my_model-4")
    salvaged = tfa.salvage(prefix)
    assert salvaged.is_whole
    path = saved(salvaged, tmp_path)
    for tail in (".index", DATA, ".meta"):
        assert Path(f"{path}{tail}").read_bytes() == Path(f"{prefix}{tail}").read_bytes()


# ---------------------------------------------------------------- V1


def test_v1_checkpoints_are_salvaged_to_v2(
    tensorflow: Judge, tmp_path: Path, copied: Callable[[str], Path]
) -> None:
    path = large_v1(tmp_path)
    shutil.copy(path, tmp_path / "original")
    offset, size = blocks_of(path.read_bytes())[-2]
    change(path, flip(offset + size // 2))
    salvaged = tfa.salvage(path)
    assert salvaged.lost == {"c": "its value is in a damaged block"}
    prefix = saved(salvaged, tmp_path)
    before = tensorflow.read_checkpoint(tmp_path / "original")
    after = tensorflow.read_checkpoint(prefix)
    assert after.keys() == {"a", "b", "d"}
    assert all(same_bits(after[name], before[name]) for name in after)


def test_v1_values_under_a_damaged_header_are_doubtful(tmp_path: Path) -> None:
    path = large_v1(tmp_path)
    change(path, flip(300_000))  # in the value of "a", beside the header
    with pytest.raises(FormatError, match="--unchecked-names"):
        tfa.salvage(path)
    salvaged = tfa.salvage(path, unchecked_names=True)
    assert set(salvaged.unchecked) == set(salvaged.checkpoint.variables)
    assert {"c", "d"} <= set(salvaged.unchecked)
    saved(salvaged, tmp_path)


def test_of_missing_v1_shards_whole_variables_stay(
    copied: Callable[[str], Path], tmp_path: Path
) -> None:
    prefix = copied("v1-checkpoint/shards-3")
    (first, *_) = sorted(prefix.parent.glob("shards-3-*"))
    original = values_of(tfa.open(prefix))  # type: ignore[arg-type]
    first.unlink()
    salvaged = tfa.salvage(prefix)
    assert not salvaged.is_complete
    kept = values_of(salvaged.checkpoint)
    assert kept
    assert kept.keys() < original.keys()
    assert all(value == original[name] for name, value in kept.items())
    saved(salvaged, tmp_path)


# ---------------------------------------------------------------- nothing to save


def test_where_nothing_is_intact_nothing_is_written(
    copied: Callable[[str], Path], tmp_path: Path
) -> None:
    prefix = copied("digits/checkpoints/my_model-4")
    with pytest.raises(PathNotFoundError):
        tfa.salvage(tmp_path / "nothing")
    changed(prefix, DATA, lambda d: d.__setitem__(slice(None), os.urandom(len(d))))
    with pytest.raises(FormatError, match="nothing intact"):
        tfa.salvage(prefix)
    index = Path(f"{prefix}.index")
    index.write_bytes(b"")
    with pytest.raises(FormatError, match="nothing"):
        tfa.salvage(prefix)
    index.unlink()
    with pytest.raises(FormatError, match="without an index"):
        tfa.salvage(prefix)
    before = tree(tmp_path)
    assert run(["salvage", str(prefix), str(tmp_path / "out" / "m")]) == 4
    assert tree(tmp_path) == before


# ---------------------------------------------------------------- the command


def command(capfd: Any, *arguments: object) -> tuple[int, str, str]:
    code = run(["salvage", *map(str, arguments)])
    captured = capfd.readouterr()
    return code, captured.out, captured.err


def test_the_command_says_what_it_kept_and_lost(
    copied: Callable[[str], Path], tmp_path: Path, capfd: Any
) -> None:
    prefix = copied("digits/checkpoints/my_model-4")
    out = tmp_path / "out" / "m"
    code, text, _ = command(capfd, prefix, out)
    assert code == 0
    assert "nothing was damaged" in text
    changed(prefix, DATA, flip(0))
    before = tree(tmp_path)
    code, text, error = command(capfd, prefix, out)  # something is there
    assert (code, text) == (2, "")
    assert "exists already" in error
    assert tree(tmp_path) == before
    other = tmp_path / "other" / "m"
    code, text, _ = command(capfd, prefix, other, "--dry-run", "--json")
    assert code == 1
    assert tree(tmp_path) == before
    document = json.loads(text)
    assert document["schema"] == 1
    assert document["dry_run"]
    assert [row["name"] for row in document["lost"]] == ["beta1_power"]
    assert len(document["kept"]) == document["num_variables"] == 31
    assert [finding["code"] for finding in document["findings"]] == ["tensor-checksum"]
    code, text, _ = command(capfd, prefix, other)
    assert code == 1
    assert "kept 31 variables, lost 1" in text
    assert "beta1_power" in text
    assert "found tensor bytes with checksum" in text


def test_the_state_file_is_changed_only_if_asked(copied: Callable[[str], Path], capfd: Any) -> None:
    prefix = copied("digits/checkpoints/my_model-4")
    state = prefix.with_name("checkpoint")
    before = state.read_bytes()
    assert command(capfd, prefix, prefix.with_name("mended-4"))[0] == 0
    assert state.read_bytes() == before
    assert command(capfd, prefix, prefix.with_name("mended-5"), "--update-state")[0] == 0
    assert b'model_checkpoint_path: "mended-5"' in state.read_bytes()


def test_names_out_of_the_file_are_escaped(tmp_path: Path, capfd: Any) -> None:
    evil = b"\x1b]0;owned\x07\xe2\x80\xae<script>"
    data = b"abcdefgh"
    prefix = write_raw(
        tmp_path / "m",
        {evil: entry(3, (), 0, 4, 1), b"fine": entry(3, (), 4, 4, mask(crc32c(data[4:])))},
        data,
    )
    code, text, error = command(capfd, prefix, tmp_path / "out" / "m")
    assert code == 1
    assert "\x1b" not in text + error
    assert "\\x1b]0;owned" in text


def test_unchecked_names_are_an_option(copied: Callable[[str], Path], capfd: Any) -> None:
    prefix = copied("digits/checkpoints/my_model-4")
    changed(prefix, ".index", flip(1031))  # in the checksum of the block: its entries are sound
    out = prefix.with_name("out")
    code, _, error = command(capfd, prefix, out)
    assert code == 4
    assert "--unchecked-names" in error
    code, text, _ = command(capfd, prefix, out, "--unchecked-names", "--json")
    assert code == 1
    assert len(json.loads(text)["unchecked"]) == 32


def test_salvaging_loads_neither_numpy_nor_tensorflow(
    copied: Callable[[str], Path], tmp_path: Path
) -> None:
    prefix = copied("digits/checkpoints/my_model-4")
    changed(prefix, DATA, flip(0))
    code = f"""
import sys
from tfartifacts.__main__ import run
assert run(["salvage", {str(prefix)!r}, {str(tmp_path / "out" / "m")!r}]) == 1
print({{"numpy", "tensorflow", "google.protobuf"}} & sys.modules.keys())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    assert done.stdout.splitlines()[-1] == "set()"
