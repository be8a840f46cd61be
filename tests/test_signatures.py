"""Signatures and tags of a SavedModel, changed in place: the rest stays to the last byte."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tests.judges.client import Judge, JudgeError
from tfartifacts.__main__ import run
from tfartifacts.convert.editing import add_signature, remove_signatures, rename_signature, set_tags
from tfartifacts.formats.saved_object_graph import signature_keys, with_signature_keys
from tfartifacts.formats.wire import Message
from tfartifacts.opening import open_saved_model
from tfartifacts.saving import rewrite


@pytest.fixture
def export(fixtures: Path, tmp_path: Path) -> Path:
    """A SavedModel with two meta graphs."""
    shutil.copytree(fixtures / "saved-models" / "two_meta_graphs", tmp_path / "export")
    return tmp_path / "export"


def fields_but(path: Path, *numbers: int) -> list[bytes]:
    """Of each meta graph what is not in these fields, and the info without tags."""
    found = []
    for part in Message((path / "saved_model.pb").read_bytes()).messages(2):
        info = part.message(1)
        assert info is not None
        found += [part.without(1, *numbers), info.without(4), part.raw(2)]
    return found


def test_a_signature_is_added_and_the_graphs_stay(
    tensorflow: Judge, export: Path, fixtures: Path
) -> None:
    before = fields_but(export, 5)
    model = open_saved_model(export)
    rewrite(add_signature(model, "again", {"a": "x"}, {"b": "y:0"}, tags={"serve"}))
    assert fields_but(export, 5) == before
    x = np.load(fixtures / "saved-models" / "expected.npz")[
        "two_meta_graphs/serve/serving_default/x"
    ]
    old, new = (
        tensorflow.run_saved_model_v1(export, ["serve"], {key: x}, signature=signature)
        for key, signature in (("x", "serving_default"), ("a", "again"))
    )
    assert new["b"].tobytes() == old["y"].tobytes()
    described = {
        tuple(m["tags"]): m for m in tensorflow.describe_saved_model(export / "saved_model.pb")
    }
    assert set(described["serve",]["signatures"]) == {
        "serving_default",
        "sparse",
        "ragged",
        "lookup",
        "again",
        "__saved_model_init_op",
    } - ({"__saved_model_init_op"} - set(model.meta_graphs[0].signatures))
    assert "again" not in described["gpu", "serve"]["signatures"]


def test_what_is_not_changed_keeps_its_bytes(export: Path) -> None:
    before = (export / "saved_model.pb").read_bytes()
    rewrite(open_saved_model(export))
    assert (export / "saved_model.pb").read_bytes() == before


def test_renaming_and_removing(tensorflow: Judge, export: Path) -> None:
    before = fields_but(export, 5)
    rewrite(rename_signature(open_saved_model(export), "lookup", "words", tags={"serve"}))
    rewrite(remove_signatures(open_saved_model(export), ["sparse", "ragged"], tags={"serve"}))
    assert fields_but(export, 5) == before
    words = np.array([b"c", b"zz"], object)
    found = tensorflow.run_saved_model_v1(export, ["serve"], {"words": words}, signature="words")
    assert found["ids"].tolist() == [2, -1]
    (described, other) = tensorflow.describe_saved_model(export / "saved_model.pb")
    assert not {"sparse", "ragged", "lookup"} & set(described["signatures"])
    assert {"sparse", "ragged", "lookup"} <= set(other["signatures"])


def test_tags_are_what_a_loader_asks_for(tensorflow: Judge, export: Path) -> None:
    before = fields_but(export)
    rewrite(set_tags(open_saved_model(export), ["serve", "tpu"], tags={"serve"}))
    assert fields_but(export) == before
    x = np.ones([2, 4], np.float32)
    found = tensorflow.run_saved_model_v1(
        export, ["tpu", "serve"], {"x": x}, signature="serving_default"
    )
    assert found["y"].shape == (2, 3)
    with pytest.raises(tfa.ConversionError, match=r"another meta graph with tags \{gpu, serve\}"):
        set_tags(open_saved_model(export), ["gpu", "serve"], tags={"serve", "tpu"})


def test_a_text_saved_model_becomes_binary(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    shutil.copytree(fixtures / "saved-models" / "text", tmp_path / "export")
    saved = rewrite(remove_signatures(open_saved_model(tmp_path / "export"), ["sparse"]))
    names = {file.name for file in (tmp_path / "export").iterdir()}
    assert names == {"saved_model.pb", "variables", "assets"}
    assert any("becomes saved_model.pb" in note for note in saved.notes)
    found = tensorflow.run_saved_model_v1(
        tmp_path / "export",
        ["serve"],
        {"x": np.ones([1, 4], np.float32)},
        signature="serving_default",
    )
    assert found["y"].shape == (1, 3)


def test_a_fingerprint_of_the_old_file_is_removed(
    tensorflow_2_21: Judge, fixtures: Path, tmp_path: Path
) -> None:
    shutil.copytree(fixtures / "keras" / "export", tmp_path / "export")
    saved = rewrite(rename_signature(open_saved_model(tmp_path / "export"), "serve", "predict"))
    assert not (tmp_path / "export" / "fingerprint.pb").exists()
    assert any("fingerprint.pb" in note for note in saved.notes)
    values = np.load(fixtures / "keras" / "expected.npz")
    found = tensorflow_2_21.run_saved_model_v1(
        tmp_path / "export", ["serve"], {"features": values["x"]}, signature="predict"
    )
    assert found["output_0"].tobytes() == values["export"].tobytes()
    again = tensorflow_2_21.run_saved_model_v2(tmp_path / "export", {"features": values["x"]})
    assert again["output_0"].tobytes() == values["export"].tobytes()


@pytest.fixture
def objects(fixtures: Path, tmp_path: Path) -> Path:
    """A SavedModel of TensorFlow 2, with signatures `serve` and `serving_default`."""
    shutil.copytree(fixtures / "keras" / "export", tmp_path / "objects")
    return tmp_path / "objects"


def signatures_of_both_loaders(judge: Judge, path: Path, x: Any) -> dict[str, list[bytes]]:
    """By key the output of what tf.saved_model.load and of what the loader of sessions gives."""
    found = {}
    for key, signature in open_saved_model(path).meta_graph().signatures.items():
        if key.startswith("__"):
            continue
        (name,) = signature.inputs
        by_v1 = judge.run_saved_model_v1(path, ["serve"], {name: x}, signature=key)
        by_v2 = judge.run_saved_model_v2(path, {name: x}, signature=key)
        found[key] = [value.tobytes() for value in (*by_v1.values(), *by_v2.values())]
    return found


def test_the_objects_of_tensorflow_2_follow(
    tensorflow_2_21: Judge, fixtures: Path, objects: Path
) -> None:
    """tf.saved_model.load knows signatures by them, other loaders by the meta graph."""
    values = np.load(fixtures / "keras" / "expected.npz")
    expected = [values["export"].tobytes()] * 2
    before = fields_but(objects, 5, 7)
    rewrite(rename_signature(open_saved_model(objects), "serve", "predict"))
    found = signatures_of_both_loaders(tensorflow_2_21, objects, values["x"])
    assert found == {"predict": expected, "serving_default": expected}
    rewrite(remove_signatures(open_saved_model(objects), ["serving_default"]))
    assert signatures_of_both_loaders(tensorflow_2_21, objects, values["x"]) == {
        "predict": expected
    }
    with pytest.raises(JudgeError, match=r"signatures: \['predict'\]"):
        tensorflow_2_21.run_saved_model_v2(objects, {"features": values["x"]})
    assert fields_but(objects, 5, 7) == before
    rewrite(rename_signature(open_saved_model(objects), "predict", "serve"))
    objects_now, objects_before = (
        read_objects(path) for path in (objects, fixtures / "keras" / "export")
    )
    assert signature_keys(objects_now) == ("serve",)
    both = with_signature_keys(objects_before, {"serving_default": None})
    assert b"".join(both) == objects_now.encoded()


def read_objects(path: Path) -> Message:
    message = Message((path / "saved_model.pb").read_bytes()).messages(2)[0].message(7)
    assert message is not None
    return message


def test_an_added_signature_is_not_among_the_objects(
    tensorflow_2_21: Judge, fixtures: Path, objects: Path
) -> None:
    values = np.load(fixtures / "keras" / "expected.npz")
    signature = open_saved_model(objects).meta_graph().signatures["serve"]
    inputs, outputs = (
        {key: info.name for key, info in side.items()}
        for side in (signature.inputs, signature.outputs)
    )
    before = fields_but(objects, 5)
    saved = rewrite(add_signature(open_saved_model(objects), "new", inputs, outputs))
    assert saved.notes[0].startswith(
        "tf.saved_model.load does not see it: the SavedModel's objects"
    )
    assert fields_but(objects, 5) == before
    feeds = {"features": values["x"]}
    found = tensorflow_2_21.run_saved_model_v1(objects, ["serve"], feeds, signature="new")
    assert found["output_0"].tobytes() == values["export"].tobytes()
    with pytest.raises(JudgeError, match=r"signatures: \['serve', 'serving_default'\]"):
        tensorflow_2_21.run_saved_model_v2(objects, feeds, signature="new")
    model = add_signature(
        open_saved_model(objects), "serve", inputs, outputs, replace_existing=True
    )
    assert model.notes[0].startswith("tf.saved_model.load still sees the one there was")


def test_without_its_last_signature_it_still_loads(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    export = tmp_path / "export"
    shutil.copytree(fixtures / "saved-models" / "no_variables", export)
    rewrite(remove_signatures(open_saved_model(export), ["serving_default"]))
    (described,) = tensorflow.describe_saved_model(export / "saved_model.pb")
    assert described["signatures"] == {}
    x = np.load(fixtures / "saved-models" / "expected.npz")["no_variables/serve/serving_default/x"]
    assert tensorflow.run_saved_model_v1(export, ["serve"], {"x:0": x}, fetches=["y:0"])
    with pytest.raises(JudgeError, match=r"signatures: \[\]"):
        tensorflow.run_saved_model_v2(export, {"x": x})


def test_saved_model_cli_shows_and_runs_what_was_added(
    tensorflow: Judge, export: Path, tmp_path: Path
) -> None:
    rewrite(
        add_signature(open_saved_model(export), "again", {"a": "x"}, {"b": "y"}, tags=["serve"])
    )
    rewrite(set_tags(open_saved_model(export), ["serve", "tpu"], tags=["serve"]))
    where = ["--dir", str(export), "--tag_set", "serve,tpu", "--signature_def", "again"]
    shown = tensorflow.saved_model_cli(["show", *where])
    assert shown.returncode == 0, shown.stderr
    assert "inputs['a'] tensor_info" in shown.stdout
    assert "Method name is: tensorflow/serving/predict" in shown.stdout
    x = np.ones([2, 4], np.float32)
    np.save(tmp_path / "x.npy", x)
    ran = tensorflow.saved_model_cli(
        ["run", *where, "--inputs", f"a={tmp_path / 'x.npy'}", "--outdir", str(tmp_path)]
    )
    assert ran.returncode == 0, ran.stderr
    feeds = {"x": x}
    expected = tensorflow.run_saved_model_v1(
        export, ["serve", "tpu"], feeds, signature="serving_default"
    )
    assert np.load(tmp_path / "b.npy").tobytes() == expected["y"].tobytes()


def test_placeholders_that_stay_unfed_are_noted(export: Path) -> None:
    model = add_signature(open_saved_model(export), "new", {}, {"y": "y"}, tags={"serve"})
    (note,) = model.notes
    assert note == (
        "signature 'new' also needs x:0, which is not among its inputs (taken by MatMul (MatMul)): "
        "calls will fail until it is, or is fixed: convert --set x=VALUE"
    )
    fed = add_signature(open_saved_model(export), "new", {"x": "x"}, {"y": "y"}, tags={"serve"})
    assert fed.notes == ()


def test_what_no_savedmodel_can_hold_is_refused(export: Path) -> None:
    model = open_saved_model(export)
    for key, inputs, method_name in (
        ("\udcff", {"x": "x"}, "m"),
        ("new", {"\udcff": "x"}, "m"),
        ("new", {"x": "x"}, "\udcff"),
    ):
        with pytest.raises(tfa.ConversionError, match=r"found '\\udcff', expected text in UTF-8"):
            add_signature(model, key, inputs, {"y": "y"}, tags={"serve"}, method_name=method_name)
    with pytest.raises(tfa.ConversionError, match="UTF-8"):
        rename_signature(model, "sparse", "\udcff", tags={"serve"})
    with pytest.raises(tfa.ConversionError, match="UTF-8"):
        set_tags(model, ["\udcff"], tags={"serve"})
    with pytest.raises(tfa.ConversionError, match=r"loaders use __saved_model_\.\.\. themselves"):
        rename_signature(model, "sparse", "__saved_model_train_op", tags={"serve"})
    with pytest.raises(tfa.ConversionError, match="is a resource, which no signature can hold"):
        add_signature(model, "new", {}, {"table": "hash_table"}, tags={"serve"})


def test_a_folder_that_cannot_be_written_keeps_all_as_it_was(
    export: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Any, mode: int = 0o777) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    before = {file: file.read_bytes() for file in export.rglob("*") if file.is_file()}
    monkeypatch.setattr(os, "mkdir", refuse)
    assert run(["signature", "remove", str(export), "lookup", "--tag", "serve"]) == 74
    assert "read-only file system; nothing was published" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in export.rglob("*") if file.is_file()} == before


def test_permissions_stay(export: Path) -> None:
    os.chmod(export / "saved_model.pb", 0o640)
    rewrite(remove_signatures(open_saved_model(export), ["sparse"], tags={"serve"}))
    assert (export / "saved_model.pb").stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in export.parent.iterdir()) == ["export"]
    assert not [file for file in export.iterdir() if ".tfartifacts-" in file.name]


def test_a_file_that_changed_meanwhile_is_left_alone(export: Path) -> None:
    edited = remove_signatures(open_saved_model(export), ["sparse"], tags={"serve"})
    content = (export / "saved_model.pb").read_bytes()
    (export / "saved_model.pb").write_bytes(content)
    with pytest.raises(tfa.SourceChangedError):
        rewrite(edited)
    assert (export / "saved_model.pb").read_bytes() == content


def test_a_taken_key_and_an_unknown_tensor_are_refused(export: Path) -> None:
    model = open_saved_model(export)
    with pytest.raises(tfa.ConversionError, match="'sparse' already"):
        add_signature(model, "sparse", {}, {"y": "y"}, tags={"serve"})
    with pytest.raises(tfa.NameNotFoundError, match="did you mean"):
        add_signature(model, "new", {}, {"y": "yy"}, tags={"serve"})
    with pytest.raises(tfa.NameNotFoundError, match="no signature 'sparsa'"):
        remove_signatures(model, ["sparsa"], tags={"serve"})
    with pytest.raises(tfa.NameNotFoundError, match="no tags were given"):
        remove_signatures(model, ["sparse"])


def test_the_commands(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(export), "again", "--inputs", "a=x", "--outputs", "y", "--tag", "serve"]
    before = (export / "saved_model.pb").read_bytes()
    assert run(["signature", "add", *arguments, "--dry-run"]) == 0
    assert "nothing was written" in capsys.readouterr().out
    assert (export / "saved_model.pb").read_bytes() == before
    assert run(["signature", "add", *arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert not document["dry_run"]
    assert [(Path(f["path"]).name, f["nbytes"]) for f in document["files"]] == [
        ("saved_model.pb", (export / "saved_model.pb").stat().st_size)
    ]
    assert document["meta_graphs"][0]["signatures"]["again"]["inputs"]["a"] == {
        "name": "x:0",
        "dtype": "float32",
        "shape": [-1, 4],
    }
    assert run(["signature", "add", *arguments]) == 2
    assert run(["signature", "rename", str(export), "again", "more", "--tag", "serve"]) == 0
    assert run(["signature", "list", str(export), "--tag", "serve", "--json"]) == 0
    assert '"more"' in capsys.readouterr().out
    assert run(["signature", "remove", str(export), "more", "nothing", "--tag", "serve"]) == 3
    assert run(["signature", "remove", str(export), "more", "--tag", "serve"]) == 0
    assert run(["tags", "set", str(export), "serve,tpu", "--tag", "serve"]) == 0
    assert open_saved_model(export).meta_graphs[0].tags == {"serve", "tpu"}
