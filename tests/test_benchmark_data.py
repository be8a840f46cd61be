"""What the benchmarks measure with: made whole or not at all, and what it is said to be."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import tfartifacts as tfa
from benchmarks.data import bert, bundles, graphs, place, saved_models
from benchmarks.data.place import Dataset, NotMadeError
from benchmarks.peers import Peers
from benchmarks.scaling import works
from benchmarks.targets.setting import Setting
from tests.judges.client import Judge

SIZE = bert.Size(1, 32, 64, words=50, positions=128)


def made(dataset: Dataset, tmp_path: Path) -> Path:
    return Path(place.make(dataset, str(tmp_path)))


def checkpoint(path: Path) -> tfa.Checkpoint:
    found = tfa.open(path)
    assert isinstance(found, tfa.Checkpoint)
    return found


def test_data_is_made_once_and_seen_when_it_is_complete(tmp_path: Path) -> None:
    calls: list[str] = []

    def make(folder: str) -> None:
        assert not dataset.is_there(str(tmp_path))
        Path(folder, "file").write_text("x")
        calls.append(folder)

    dataset = Dataset("some.1", 1, make)
    assert place.to_be_made([dataset, dataset], str(tmp_path)) == [dataset]
    for _ in range(2):
        assert (made(dataset, tmp_path) / "file").read_text() == "x"
    assert len(calls) == 1
    assert place.to_be_made([dataset], str(tmp_path)) == []
    assert os.listdir(tmp_path) == ["some.1"]


def test_data_that_fails_to_be_made_leaves_nothing(tmp_path: Path) -> None:
    def make(folder: str) -> None:
        Path(folder, "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.make(Dataset("some.1", 1, make), str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_data_without_room_or_without_its_maker_is_refused(tmp_path: Path) -> None:
    def make(folder: str) -> None:
        raise AssertionError

    with pytest.raises(NotMadeError, match=r"large needs 1000000.00 GB, .* are free"):
        place.make(Dataset("large", 10**15, make), str(tmp_path))
    with pytest.raises(NotMadeError, match="needs TensorFlow"):
        place.make(bert.with_adam(SIZE, None), str(tmp_path))


def test_bert_large_has_the_variables_of_googles() -> None:
    shapes = bert.shapes(bert.LARGE)
    assert len(shapes) == 398
    assert shapes["bert/encoder/layer_23/intermediate/dense/kernel"] == (1024, 4096)
    assert bert.num_bytes(bert.LARGE) == 1_344_904_432


def test_berts_values_are_the_same_in_both_formats_and_each_time(tmp_path: Path) -> None:
    plain = checkpoint(made(bert.plain(SIZE), tmp_path) / bert.PREFIX)
    arrays = {name: variable.read() for name, variable in plain.variables.items()}
    assert {name: array.shape for name, array in arrays.items()} == dict(
        sorted(bert.shapes(SIZE).items())
    )
    kernel = arrays["bert/encoder/layer_0/output/dense/kernel"]
    assert 0.015 < kernel.std() < 0.025
    (tmp_path / "again").mkdir()
    again = checkpoint(made(bert.plain(SIZE), tmp_path / "again") / bert.PREFIX)
    name = "bert/pooler/dense/kernel"
    assert np.array_equal(again.variables[name].read(), arrays[name])
    from safetensors import safe_open

    file = made(bert.as_safetensors(SIZE), tmp_path) / bert.SAFETENSORS
    with safe_open(file, framework="np") as tensors:
        assert set(tensors.keys()) == set(arrays)
        for name, array in arrays.items():
            assert np.array_equal(tensors.get_tensor(name), array)


def test_tiny_variables_are_what_they_are_said_to_be(tmp_path: Path) -> None:
    found = checkpoint(made(bundles.variables(50), tmp_path) / bundles.PREFIX)
    expected = dict(bundles.tiny(50))
    assert len(expected) == 50
    assert set(found.variables) == set(expected)
    for name, array in expected.items():
        value = found.variables[name].read()
        assert value.dtype == array.dtype
        assert np.array_equal(value, array)


def test_shards_slices_and_bytes_are_as_many_as_asked_for(tmp_path: Path) -> None:
    sharded = checkpoint(made(bundles.shards(3), tmp_path) / bundles.PREFIX)
    assert sharded.num_shards == 3
    assert len(sharded.variables) == 3 * bundles.PER_SHARD
    assert {variable.shard for variable in sharded.variables.values()} == {0, 1, 2}
    (table,) = checkpoint(made(bundles.slices(5), tmp_path) / bundles.PREFIX).variables.values()
    assert len(table.slices) == 5
    assert table.read()[:, 0].tolist() == [float(row // 16) for row in range(80)]
    weights = checkpoint(made(bundles.weights(256_000), tmp_path) / bundles.PREFIX)
    assert sum(variable.nbytes for variable in weights.variables.values()) == 256_000


@pytest.mark.parametrize("count", [10, 14, 100])
def test_a_graph_has_exactly_as_many_nodes_as_asked_for(tmp_path: Path, count: int) -> None:
    found = tfa.open(made(graphs.many_nodes(count), tmp_path) / graphs.META)
    assert isinstance(found, tfa.MetaGraph)
    assert len(found.graph) == count


def test_large_constants_are_most_of_their_file(tmp_path: Path) -> None:
    path = made(graphs.large_constants(400_000), tmp_path) / graphs.META
    found = tfa.open(path)
    assert isinstance(found, tfa.MetaGraph)
    assert len(found.graph) == graphs.NUM_WITH_CONSTANTS
    assert 400_000 < path.stat().st_size < 425_000
    assert found.graph.tensor("frozen/weights_9").shape == (10_000,)


def test_saved_models_have_as_many_signatures_and_functions(tmp_path: Path) -> None:
    found = tfa.open(made(saved_models.saved_model(signatures=7, functions=5, nodes=20), tmp_path))
    assert isinstance(found, tfa.SavedModel)
    (meta_graph,) = found.meta_graphs
    assert len(meta_graph.signatures) == 7
    assert len(meta_graph.graph.functions) == 5
    assert len(meta_graph.graph) == 22


def test_sizes_said_beforehand_are_about_right(tmp_path: Path) -> None:
    for axis in works.axes(Setting(str(tmp_path), Peers({}), quick=True)):
        dataset = axis.dataset(axis.sizes[1])
        folder = made(dataset, tmp_path)
        size = sum(path.stat().st_size for path in folder.iterdir())
        assert size / 2 < dataset.num_bytes < 2.5 * size, dataset.name


def test_tensorflow_reads_what_is_generated(tmp_path: Path, tensorflow: Judge) -> None:
    listed = tensorflow.list_checkpoint(made(bundles.variables(30), tmp_path) / bundles.PREFIX)
    assert set(listed) == set(dict(bundles.tiny(30)))
    table = tensorflow.read_checkpoint(made(bundles.slices(5), tmp_path) / bundles.PREFIX)
    assert table["model/table"].shape == (80, 64)
    tensors = tensorflow.tensors_of_meta_graph(made(graphs.many_nodes(100), tmp_path) / graphs.META)
    assert tensors["output_0:0"] == {"dtype": "float32", "shape": [None, 8]}
    constants = made(graphs.large_constants(4_000), tmp_path) / graphs.META
    assert tensorflow.tensors_of_meta_graph(constants)["frozen/weights_0:0"]["shape"] == [100]
    ones = np.ones((1, 8), np.float32)
    folder = made(saved_models.saved_model(signatures=3, functions=7, nodes=20), tmp_path)
    outputs = tensorflow.run_saved_model_v1(
        folder, ["serve"], {"input:0": ones}, fetches=["called:0"]
    )
    assert np.array_equal(outputs["called:0"], ones)


def test_tensorflow_restores_bert_with_adam_and_the_converted_answers_alike(
    tmp_path: Path, tensorflow: Judge
) -> None:
    size = bert.Size(1, 64, 64, words=50)
    prefix = made(bert.with_adam(size, tensorflow.python), tmp_path) / bert.ADAM_PREFIX
    listed = tensorflow.list_checkpoint(prefix)
    assert len(listed) == 3 * len(bert.shapes(size)) + 1
    ids = np.arange(256, dtype=np.int32).reshape(2, 128) % 50
    feeds = {"input_ids:0": ids, "input_mask:0": ids * 0 + 1, "segment_ids:0": ids % 2}
    output = "probabilities:0"
    before = tensorflow.run_checkpoint(prefix, feeds, [output])[output]
    assert before.shape == (2, 52)
    source = checkpoint(prefix)
    names = ("input_ids", "input_mask", "segment_ids")
    model = tfa.checkpoint_to_saved_model(
        source,
        inputs={name: f"{name}:0" for name in names},
        outputs={"probabilities": output},
    )
    tfa.save(model, tmp_path / "pruned")
    after = tensorflow.run_saved_model_v1(tmp_path / "pruned", ["serve"], feeds, fetches=[output])
    assert np.array_equal(before, after[output])
    pruned = tfa.open(tmp_path / "pruned")
    assert isinstance(pruned, tfa.SavedModel)
    assert pruned.checkpoint is not None
    assert set(pruned.checkpoint.variables) == set(bert.shapes(size))
