"""What is exported, under which names, where to; what is refused before anything is written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tests.exchange_files import PATHS, checkpoint_of, facts, left_in, opened
from tfartifacts.cli.name_maps import read_names
from tfartifacts.exchange.safetensors import read_header

FLOATS = {"a/kernel": np.ones((2, 3), np.float32), "a/bias": np.zeros(3, np.float32)}


def exported(path: Path, source: tfa.Checkpoint | None = None, **options: Any) -> list[str]:
    found = tfa.export(source or checkpoint_of(FLOATS), path, **options)
    return [tensor.name for tensor in found.tensors]


# ---------------------------------------------------------------- which, and what names


def test_optimizer_slots_are_exported_unless_stripped(fixtures: Path, tmp_path: Path) -> None:
    source = tfa.open(fixtures / "bert-style")
    everything = tfa.export(source, tmp_path / "all.npz")
    assert (len(everything.tensors), everything.num_optimizer) == (76, 50)
    model = tfa.export(source, tmp_path / "model.npz", strip_optimizer=True)
    assert (len(model.tensors), model.num_optimizer) == (26, 0)
    assert set(model.left_out.values()) == {"the optimizer's"}


def test_names_are_changed_and_variables_chosen(tmp_path: Path) -> None:
    arrays = {**FLOATS, "b[0]/kernel": [1.0]}
    source = checkpoint_of(arrays)
    assert exported(tmp_path / "1.npz", source, names={"a/bias": "a.b"}) == [
        "a.b",
        "a/kernel",
        "b[0]/kernel",
    ]
    assert exported(tmp_path / "2.npz", source, keep=["*/kernel"]) == ["a/kernel", "b[0]/kernel"]
    assert exported(tmp_path / "3.npz", source, keep=["*/kernel"], drop=["b[0]*"]) == ["a/kernel"]
    assert exported(tmp_path / "4.npz", source, names={"a/bias": "a/kernel", "a/kernel": "x"}) == [
        "a/kernel",
        "x",
        "b[0]/kernel",
    ]


def test_the_latest_of_a_folder_and_a_saved_model_are_taken(fixtures: Path, tmp_path: Path) -> None:
    folder = tfa.export(tfa.open(fixtures / "digits" / "checkpoints"), tmp_path / "f.safetensors")
    metadata = {"format": "tf", "source": "my_model-4", "step": "4"}
    assert metadata.items() <= folder.metadata.items()
    assert folder.metadata["tensorflow_version"] == "1.12.3"
    header = read_header(str(tmp_path / "f.safetensors"))
    assert header.metadata == folder.metadata
    model = tfa.export(tfa.open(fixtures / "digits" / "saved_model"), tmp_path / "m.npz")
    assert model.metadata["source"] == "saved_model"
    assert len(model.tensors) > 0


def test_the_object_graph_stays_behind(fixtures: Path, tmp_path: Path) -> None:
    found = tfa.export(tfa.open(fixtures / "keras" / "export"), tmp_path / "m.safetensors")
    assert found.left_out["_CHECKPOINTABLE_OBJECT_GRAPH"] == "describes the checkpoint's keys"


def test_a_step_may_be_in_global_step_alone(tmp_path: Path) -> None:
    found = tfa.export(checkpoint_of({"global_step": np.int64(12)}), tmp_path / "m.npz")
    assert found.metadata["step"] == "12"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": ["none*"]}, "found --keep 'none\\*', which no variable matches"),
        ({"drop": ["none*"]}, "found --drop 'none\\*', which no variable matches"),
        ({"drop": ["*"]}, "no variables to export"),
        ({"names": {"none": "x"}}, "no variable 'none'"),
        ({"names": {"a/bias": "a/kernel"}}, "'a/bias' and 'a/kernel' both to become 'a/kernel'"),
        ({"names": {"a/bias": ""}}, "no name for 'a/bias'"),
        ({"preset": "gpt"}, "found preset 'gpt', expected bert-pytorch"),
        ({"preset": "bert-pytorch"}, "found 2 variables that preset bert-pytorch has no place"),
        ({"format": "hdf5"}, "found format 'hdf5', expected one of safetensors, npz, npy"),
        ({"max_shard_size": "5XB"}, "found the size '5XB'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises((tfa.ConversionError, tfa.NameNotFoundError), match=message):
        tfa.export(checkpoint_of(FLOATS), tmp_path / "m.safetensors", **options)
    assert left_in(tmp_path) == []


# ---------------------------------------------------------------- what a format cannot hold


def test_what_a_format_cannot_hold_is_named_before_anything_is_written(tmp_path: Path) -> None:
    source = checkpoint_of({**FLOATS, "words": [b"a"], "c": [1j]})
    with pytest.raises(tfa.ConversionError, match="found 2 of 4 variables") as caught:
        tfa.export(source, tmp_path / "m.safetensors")
    assert caught.value.details == (
        "c: complex128, which safetensors has not",
        "words: string, which safetensors has not",
    )
    assert left_in(tmp_path) == []
    found = tfa.export(source, tmp_path / "m.safetensors", skip_unsupported=True)
    assert [tensor.name for tensor in found.tensors] == ["a/bias", "a/kernel"]
    assert found.left_out.keys() == {"c", "words"}


def test_variants_are_refused_everywhere(fixtures: Path, tmp_path: Path) -> None:
    source = tfa.open(fixtures / "dtypes" / "dtypes")
    for path in ("m.npz", "m/"):
        with pytest.raises(tfa.ConversionError) as caught:
            tfa.export(source, f"{tmp_path}/{path}")
        assert caught.value.details == ("variant/tensor_list: variant, which is TensorFlow's own",)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a\udcff", "m.safetensors"),
        ("a\udcff", "m.npz"),
        ("a\udcff", "m/"),
        ("__metadata__", "m.safetensors"),
        ("__metadata__", "m.npz"),
        ("../a", "m.npz"),
        ("/a", "m.npz"),
        ("a\0b", "m.npz"),
        ("x" * 70_000, "m.npz"),
    ],
)
def test_a_name_that_a_format_cannot_hold_is_refused(name: str, path: str, tmp_path: Path) -> None:
    with pytest.raises(tfa.ConversionError, match="found 1 of 1 variables"):
        tfa.export(checkpoint_of({name: [1.0]}), f"{tmp_path}/{path}")
    assert left_in(tmp_path) == []


def test_more_dimensions_than_numpy_holds_are_refused(tmp_path: Path) -> None:
    variable = tfa.import_checkpoint(_deep(tmp_path / "deep.safetensors")).variables["v"]
    source = checkpoint_of({"v": variable})
    tfa.export(source, tmp_path / "m.safetensors")
    with pytest.raises(tfa.ConversionError) as caught:
        tfa.export(source, tmp_path / "m.npz")
    assert caught.value.details == ("v: 100 dimensions, of which NumPy holds 64",)


def _deep(path: Path) -> Path:
    header = {"v": {"dtype": "U8", "shape": [1] * 100, "data_offsets": [0, 1]}}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\7")
    return path


# ---------------------------------------------------------------- where to


@pytest.mark.parametrize("format", PATHS)
def test_a_dry_run_writes_nothing_and_knows_the_sizes(format: str, tmp_path: Path) -> None:
    source = checkpoint_of({**FLOATS, "words": [b"a\0"]})
    options: dict[str, Any] = {"skip_unsupported": True}
    path = f"{tmp_path}/{PATHS[format]}"
    planned = tfa.export(source, path, dry_run=True, **options)
    assert left_in(tmp_path) == []
    written = tfa.export(source, path, **options)
    sizes = {file.path: file.size for file in written.files}
    assert {file.path: file.size for file in planned.files} == sizes
    assert sizes == {name: os.path.getsize(name) for name in sizes}


@pytest.mark.parametrize(("limit", "count"), [(1 << 31, 1), (300, 1 << 16), (2000, 1 << 16)])
def test_the_size_of_a_large_archive_is_known(
    limit: int, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zipfile.ZIP64_LIMIT", limit)
    monkeypatch.setattr("zipfile.ZIP_FILECOUNT_LIMIT", count)
    source = checkpoint_of({"a": np.ones(100), "b": np.ones(10), "c": [1.0]})
    planned = tfa.export(source, tmp_path / "m.npz", dry_run=True)
    tfa.export(source, tmp_path / "m.npz")
    assert planned.files[0].size == (tmp_path / "m.npz").stat().st_size
    assert facts(tfa.import_checkpoint(tmp_path / "m.npz")) == facts(source)


def test_names_that_numpy_takes_for_files_are_refused(tmp_path: Path) -> None:
    source = checkpoint_of({"a": [1.0], "a.npy": [2.0]})
    with pytest.raises(tfa.ConversionError) as caught:
        tfa.export(source, tmp_path / "m.npz")
    assert caught.value.details == ("a.npy: NumPy takes its name for that of the file of 'a'",)
    tfa.export(source, tmp_path / "b.npz", drop=["a"])
    with np.load(tmp_path / "b.npz") as found:
        assert found["a.npy"].tolist() == [2.0]


def test_a_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    path.write_text("mine")
    path.chmod(0o600)
    with pytest.raises(tfa.DestinationExistsError, match="exists already"):
        tfa.export(checkpoint_of(FLOATS), path)
    assert path.read_text() == "mine"
    tfa.export(checkpoint_of(FLOATS), path, overwrite=True)
    assert facts(tfa.import_checkpoint(path)) == facts(checkpoint_of(FLOATS))
    assert path.stat().st_mode & 0o777 == 0o600
    assert left_in(tmp_path) == ["m.npz"]


def test_a_folder_is_replaced_only_when_it_holds_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "m"
    tfa.export(checkpoint_of({"old": [1.0]}), f"{path}/")
    with pytest.raises(tfa.DestinationExistsError, match="exists already"):
        tfa.export(checkpoint_of(FLOATS), f"{path}/")
    tfa.export(checkpoint_of(FLOATS), f"{path}/", overwrite=True)
    assert facts(tfa.import_checkpoint(path)) == facts(checkpoint_of(FLOATS))
    (path / "mine.txt").write_text("mine")
    with pytest.raises(tfa.DestinationExistsError, match="other files than an export's"):
        tfa.export(checkpoint_of(FLOATS), f"{path}/", overwrite=True)
    assert (path / "mine.txt").exists()
    assert left_in(tmp_path) == ["m"]


def test_shards_replace_nothing(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(tfa.DestinationExistsError):
            tfa.export(
                checkpoint_of(FLOATS),
                tmp_path / "m.safetensors",
                max_shard_size=20,
                overwrite=overwrite,
            )
    assert left_in(tmp_path) == ["m.safetensors"]


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_only_a_file_is_replaced(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nothing")
    with pytest.raises(tfa.DestinationExistsError, match="no file"):
        tfa.export(checkpoint_of(FLOATS), path, format="npz", overwrite=True)


def test_the_source_is_never_replaced(tmp_path: Path) -> None:
    tfa.save(checkpoint_of(FLOATS), tmp_path / "m")
    data = tmp_path / "m.data-00000-of-00001"
    (tmp_path / "m.npz").hardlink_to(data)
    with pytest.raises(tfa.ConversionError, match="is the source itself"):
        tfa.export(opened(tmp_path / "m.index"), tmp_path / "m.npz", overwrite=True)
    assert facts(opened(tmp_path / "m.index")) == facts(checkpoint_of(FLOATS))


@pytest.mark.parametrize("path", [*PATHS.values(), "shards.safetensors"])
def test_a_damaged_source_leaves_nothing(path: str, tmp_path: Path) -> None:
    tfa.save(checkpoint_of(FLOATS), tmp_path / "in" / "m")
    data = tmp_path / "in" / "m.data-00000-of-00001"
    whole = bytearray(data.read_bytes())
    whole[-1] ^= 1
    data.write_bytes(whole)
    most = 20 if path.startswith("shards") else "5GB"
    with pytest.raises(tfa.ChecksumError):
        tfa.export(opened(tmp_path / "in" / "m.index"), f"{tmp_path}/{path}", max_shard_size=most)
    assert left_in(tmp_path) == ["in"]


def test_a_graph_has_no_variables(fixtures: Path, tmp_path: Path) -> None:
    with pytest.raises(tfa.ConversionError, match="without variables"):
        tfa.export(tfa.open(fixtures / "graphs" / "frozen.pb"), tmp_path / "m.npz")


# ---------------------------------------------------------------- maps


@pytest.mark.parametrize("text", ['{"a": "b", "c": "d e"}', "# c\na\tb\n\nc\td e\n"])
def test_a_map_is_an_object_or_lines(text: str, tmp_path: Path) -> None:
    (tmp_path / "map").write_text(text)
    assert read_names(str(tmp_path / "map")) == {"a": "b", "c": "d e"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", "in line 1, expected OLD<TAB>NEW"),
        ("a=b", "found the rule 'a=b', expected names alone"),
        ("a\tb\tc", "line 1"),
        ("\tb", "line 1"),
        ("a\tb\na\tc", "two new names for 'a' .line 2."),
        ('{"a": 1}', "JSON of another form"),
        ('{"a": "b", "a": "c"}', "two new names for 'a'"),
        ('{"a"', "no JSON"),
    ],
)
def test_a_map_that_is_none_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "map").write_text(text)
    with pytest.raises(tfa.ConversionError, match=message):
        read_names(str(tmp_path / "map"))


# ---------------------------------------------------------------- import


def test_imported_tensors_get_other_names_and_a_step(tmp_path: Path) -> None:
    tfa.export(checkpoint_of({**FLOATS, "global_step": np.int32(1)}), tmp_path / "m.npz")
    found = tfa.import_checkpoint(tmp_path / "m.npz", names={"a/bias": "z"}, step=9)
    assert list(found.variables) == ["a/kernel", "global_step", "z"]
    step = found.variables["global_step"]
    assert (str(step.dtype), int(step.read())) == ("int64", 9)
    for names, message in (
        ({"none": "x"}, "no tensor 'none'"),
        ({"a/bias": "a/kernel"}, "both to become 'a/kernel'"),
        ({"a/bias": ""}, "without a name"),
        ({"a/bias": "\0a"}, "NUL byte"),
    ):
        with pytest.raises((tfa.NameNotFoundError, tfa.ConversionError), match=message):
            tfa.import_checkpoint(tmp_path / "m.npz", names=names)


def test_a_file_that_changes_after_it_was_opened_is_noticed(tmp_path: Path) -> None:
    tfa.export(checkpoint_of(FLOATS), tmp_path / "m.npz")
    checkpoint = tfa.import_checkpoint(tmp_path / "m.npz")
    tfa.export(checkpoint_of({"other": [1.0]}), tmp_path / "m.npz", overwrite=True)
    with pytest.raises(tfa.SourceChangedError):
        tfa.save(checkpoint, tmp_path / "out" / "m")
    assert left_in(tmp_path) == ["m.npz"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.bin", b"\x80\x02}q\x00.", "a Python pickle"),
        ("m.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "an HDF5 file"),
        ("m.txt", b"hello, world", "another kind"),
        ("m.txt", b"", "an empty file"),
        ("m.json", b"{}", "no weight_map"),
    ],
)
def test_what_is_none_of_these_is_named(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(tfa.FormatError, match=message):
        tfa.import_checkpoint(tmp_path / name)


def test_a_folder_of_none_or_of_several_is_refused(tmp_path: Path) -> None:
    with pytest.raises(tfa.NotThisFormatError, match=r"without safetensors or \.npy files"):
        tfa.import_checkpoint(tmp_path)
    for name in ("a", "b"):
        tfa.export(checkpoint_of(FLOATS), tmp_path / f"{name}.safetensors")
    with pytest.raises(tfa.ConversionError, match=r"pass one of a\.safetensors, b\.safetensors"):
        tfa.import_checkpoint(tmp_path)
    with pytest.raises(tfa.PathNotFoundError):
        tfa.import_checkpoint(tmp_path / "none")
