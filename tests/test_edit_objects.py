"""Edited object-based checkpoints: tf.train.Checkpoint restores what is left, by the new keys."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tests.judges.client import Judge, environment
from tfartifacts.formats.object_graph import read_object_graph
from tfartifacts.formats.wire import Message, put_bytes, put_integer, put_text

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"

# `save PREFIX` trains twice and saves; `restore PREFIX` restores, and trains once more.
SCRIPT = """
import json, sys
import numpy as np
import tensorflow as tf
v1 = tf.compat.v1
v1.enable_eager_execution()
v1.enable_resource_variables()

class Net(tf.Module):
    def __init__(self, number):
        super().__init__()
        self.w = tf.Variable(np.full((3, 2), number, np.float32), name="w")
        self.b = tf.Variable(np.full((2,), number, np.float32), name="b")

what, prefix = sys.argv[1:]
net = Net(1.5 if what == "save" else 0.0)
optimizer = v1.train.AdamOptimizer(0.1)
step = tf.Variable(0, dtype=tf.int64, name="step")
root = tf.train.Checkpoint(net=net, optimizer=optimizer, step=step)

def train():
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(net.w)) + tf.reduce_sum(net.b)
    gradients = tape.gradient(loss, [net.w, net.b])
    optimizer.apply_gradients(zip(gradients, [net.w, net.b]))
    step.assign_add(1)

if what == "save":
    train()
    train()
    root.write(prefix) if hasattr(root, "write") else root.save(prefix)
else:
    status = root.read(prefix) if hasattr(root, "read") else root.restore(prefix)
    status.expect_partial()
    values = {"w": net.w, "b": net.b, "step": step}
    restored = {name: value.numpy().tolist() for name, value in values.items()}
    train()
    restored["slot"] = optimizer.get_slot(net.w, "m").numpy().tolist()
    print(json.dumps(restored))
"""


def ask(judge: Judge, what: str, prefix: Path, script: str = SCRIPT) -> Any:
    done = subprocess.run(
        [judge.python, "-c", script, what, str(prefix)],
        check=True,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=180,
    )
    return None if what == "save" else json.loads(done.stdout.splitlines()[-1])


def saved_objects(judge: Judge, folder: Path) -> tfa.Checkpoint:
    ask(judge, "save", folder / "m")
    (index,) = folder.glob("m*.index")
    found = tfa.open(index)
    assert isinstance(found, tfa.Checkpoint)
    return found


def test_stripped_and_renamed_it_is_restored(tensorflow: Judge, tmp_path: Path) -> None:
    source = saved_objects(tensorflow, tmp_path)
    edits = tfa.Edits(strip_optimizer=True, rename=("net/=network/",), values={f"step{SUFFIX}": 7})
    checkpoint = tfa.edit(source, edits)
    names = {f"network/w{SUFFIX}", f"network/b{SUFFIX}", f"step{SUFFIX}"}
    assert names <= checkpoint.variables.keys()
    assert not [name for name in checkpoint.variables if "OPTIMIZER" in name or "beta" in name]
    tfa.save(checkpoint, tmp_path / "edited")
    found = ask(tensorflow, "restore", tmp_path / "edited")
    for key in ("w", "b"):
        assert found[key] == source.variables[f"net/{key}{SUFFIX}"].read().tolist()
    assert found["step"] == 7
    # The slots begin anew: 0.1 of the first gradient.
    gradient = 2 * np.array(found["w"], np.float32)
    assert np.allclose(found["slot"], 0.1 * gradient)
    reopened = tfa.open(tmp_path / "edited.index")
    assert isinstance(reopened, tfa.Checkpoint)
    assert reopened.object_graph == checkpoint.object_graph
    assert reopened.object_graph is not None
    assert not reopened.object_graph.slot_keys


def test_an_edit_of_an_edit_follows_the_keys(tensorflow: Judge, tmp_path: Path) -> None:
    source = saved_objects(tensorflow, tmp_path)
    once = tfa.edit(source, tfa.Edits(rename=("net/=network/",)))
    twice = tfa.edit(once, tfa.Edits(rename=("re:^network/=other/",)))
    tfa.save(twice, tmp_path / "edited")
    found = ask(tensorflow, "restore", tmp_path / "edited")
    assert found["w"] == source.variables[f"net/w{SUFFIX}"].read().tolist()
    # With its slots it trains on: not from the first gradient alone.
    slot = next(name for name in source.variables if "net/w/.OPTIMIZER_SLOT/optimizer/m/" in name)
    gradient = 2 * np.array(found["w"], np.float32)
    expected = 0.9 * np.asarray(source.variables[slot], np.float32) + 0.1 * gradient
    assert np.allclose(found["slot"], expected, rtol=1e-5)


def test_an_average_of_objects_is_restored(tensorflow_2_21: Judge, tmp_path: Path) -> None:
    source = saved_objects(tensorflow_2_21, tmp_path)
    other = tfa.edit(source, tfa.Edits(values={f"net/w{SUFFIX}": 3.5}))
    tfa.save(tfa.average([other, source]), tmp_path / "average")
    found = ask(tensorflow_2_21, "restore", tmp_path / "average")
    before = source.variables[f"net/w{SUFFIX}"].read()
    assert found["w"] == ((before.astype(float) + 3.5) / 2).astype(np.float32).tolist()
    assert found["step"] == 2


def test_keras_checkpoints_keep_what_is_left(
    fixtures: Path, tensorflow: Judge, tmp_path: Path
) -> None:
    source = tfa.open(fixtures / "keras" / "ckpt-1")
    assert isinstance(source, tfa.Checkpoint)
    checkpoint = tfa.edit(source, tfa.Edits(strip_optimizer=True))
    tfa.save(checkpoint, tmp_path / "edited")
    found = tensorflow.list_checkpoint(tmp_path / "edited")
    assert found.keys() == checkpoint.variables.keys()
    # What it trains is the model's, though the optimizer's list is the shortest path there.
    optimizers = [name for name in found if name.startswith("optimizer/")]
    assert all(name.startswith("optimizer/_trainable_variables/") for name in optimizers)
    before = tensorflow.list_checkpoint(fixtures / "keras" / "ckpt-1")
    for name, facts in found.items():
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH":
            assert facts["sha256"] == before[name]["sha256"]
    graph = checkpoint.object_graph
    assert graph is not None
    assert graph.full_names.keys() <= checkpoint.variables.keys()
    assert graph.num_objects == (source.object_graph or graph).num_objects


# ---------------------------------------------------------------- the encoded graph


def attribute(key: str, full_name: str = "") -> bytes:
    return put_text(1, "VARIABLE_VALUE") + put_text(2, full_name) + put_text(3, key)


GRAPH = b"".join(
    [
        put_bytes(1, put_bytes(1, b"") + put_bytes(3, put_integer(1, 1) + put_integer(3, 2))),
        put_bytes(1, put_bytes(2, attribute("w", "net/w")) + put_text(9, "carried")),
        put_bytes(1, put_bytes(2, attribute("slot"))),
        put_text(7, "carried, too"),
    ]
)


def test_other_fields_are_carried() -> None:
    graph = read_object_graph(GRAPH)
    assert graph.with_keys is not None
    encoded, renamed = graph.with_keys({"w": "v"})
    assert encoded.count(b"carried") == 2
    assert b"net/w" in encoded
    assert (dict(renamed.full_names), renamed.slot_keys) == ({"v": "net/w"}, frozenset({"slot"}))
    assert len(encoded) == len(GRAPH)


def test_a_slot_that_is_gone_is_no_slot() -> None:
    graph = read_object_graph(GRAPH)
    assert graph.with_keys is not None
    encoded, left = graph.with_keys({"slot": None})
    assert b"slot" not in encoded
    assert (left.num_objects, left.slot_keys) == (3, frozenset())
    again, _ = left.with_keys({}) if left.with_keys is not None else (b"", None)
    assert again == encoded


# `save PREFIX` fills a table and saves it; `restore PREFIX` restores it and says how large it is.
TABLE = """
import sys
import tensorflow as tf

what, prefix = sys.argv[1:]
root = tf.train.Checkpoint(net=tf.Module(), weight=tf.Variable([0.0]))
root.net.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
if what == "save":
    root.net.table.insert(["a", "b"], [1, 2])
    root.write(prefix)
else:
    root.read(prefix).assert_consumed()
    print(int(root.net.table.size()))
"""


def opened(path: Path) -> tfa.Checkpoint:
    found = tfa.open(path)
    assert isinstance(found, tfa.Checkpoint)
    return found


def attribute_keys(checkpoint: tfa.Checkpoint) -> set[str]:
    encoded = checkpoint.variables["_CHECKPOINTABLE_OBJECT_GRAPH"].read().item()
    nodes = Message(encoded).messages(1)
    return {entry.text(3) for node in nodes for entry in node.messages(2)}


def test_a_table_is_restored_by_its_new_keys(tensorflow_2_21: Judge, tmp_path: Path) -> None:
    ask(tensorflow_2_21, "save", tmp_path / "m", TABLE)
    edited = tfa.edit(opened(tmp_path / "m"), tfa.Edits(rename=("net/=other/",)))
    tfa.save(edited, tmp_path / "edited")
    assert ask(tensorflow_2_21, "restore", tmp_path / "edited", TABLE) == 2


def test_what_is_stored_in_parts_follows_them(fixtures: Path) -> None:
    source = opened(fixtures / "lookup-table" / "ckpt-1")
    renamed = tfa.edit(source, tfa.Edits(rename=("re:^table/=words/",)))
    assert "words/.ATTRIBUTES/table" in attribute_keys(renamed)
    assert "table/.ATTRIBUTES/table" not in attribute_keys(renamed)
    dropped = tfa.edit(source, tfa.Edits(drop=("table/*",)))
    assert not [key for key in attribute_keys(dropped) if "table" in key]
    other = tfa.edit(source, tfa.Edits(rename=("re:^weight/=w/",)))
    assert "table/.ATTRIBUTES/table" in attribute_keys(other)


@pytest.mark.parametrize(
    "edits",
    [
        tfa.Edits(drop=("table/*-keys",)),
        tfa.Edits(rename=("re:^table/(.*-keys)=t/\\1",)),
        tfa.Edits(rename=("re:-keys$=-words",)),
        tfa.Edits(rename=("re:^(table/.*)$=\\1x",)),
    ],
)
def test_parts_that_do_not_stay_together_are_refused(fixtures: Path, edits: tfa.Edits) -> None:
    source = opened(fixtures / "lookup-table" / "ckpt-1")
    with pytest.raises(tfa.ConversionError, match="rename or drop all that begins with"):
        tfa.edit(source, edits)


def test_names_that_are_not_utf_8_are_refused(fixtures: Path) -> None:
    source = tfa.open(fixtures / "keras" / "ckpt-1")
    assert isinstance(source, tfa.Checkpoint)
    name = next(name for name in source.variables if name.endswith(SUFFIX))
    with pytest.raises(tfa.ConversionError, match="which is not UTF-8"):
        tfa.edit(source, tfa.Edits(names={name: "\udcff"}))
