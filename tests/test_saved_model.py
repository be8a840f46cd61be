"""SavedModels: several meta graphs in one message."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tfartifacts as tfa
from tests import strategies
from tests.conftest import PROJECT
from tests.judges.client import Judge
from tests.test_graph_def import canonical, joined, parse
from tests.test_meta_graph import normal, rebuilt
from tfartifacts.errors import FormatError
from tfartifacts.formats import schema
from tfartifacts.formats.saved_model import encode_saved_model, read_saved_model
from tfartifacts.formats.wire import Message, put_bytes
from tfartifacts.model.saved_models import SavedModel

EMPTY = bytes.fromhex(
    "0801"  # saved_model_schema_version: 1
    "1204"  # meta_graphs, 4 bytes
    "0a00"  # meta_info_def {}
    "1200"  # graph_def {}
)


def test_saved_model_byte_by_byte() -> None:
    saved_model = read_saved_model(Message(EMPTY))
    assert saved_model.schema_version == 1
    assert len(saved_model.meta_graphs) == 1
    assert joined(encode_saved_model(saved_model)) == EMPTY


def test_unknown_fields_survive() -> None:
    data = EMPTY + put_bytes(9, b"later")
    assert joined(encode_saved_model(read_saved_model(Message(data)))) == data


def test_damage_is_told_with_its_offset() -> None:
    with pytest.raises(FormatError, match="past the end") as caught:
        read_saved_model(Message(EMPTY + put_bytes(2, b"\x0a\x05")))
    assert caught.value.offset == len(EMPTY) + 2


@settings(max_examples=50)
@given(st.integers(0, 2), st.lists(strategies.meta_graphs, max_size=3))
def test_saved_models_come_back(version: int, meta_graphs: list[Any]) -> None:
    expected = strategies.new_message(
        "SavedModel", saved_model_schema_version=version, meta_graphs=meta_graphs
    )
    saved_model = read_saved_model(Message(expected.SerializeToString()))
    assert [list(m.info.tags) for m in saved_model.meta_graphs] == [
        list(m.meta_info_def.tags) for m in expected.meta_graphs
    ]
    written = parse("SavedModel", joined(encode_saved_model(saved_model)))
    assert canonical(normal_all(written)) == canonical(normal_all(expected))


def normal_all(message: Any) -> Any:
    for meta_graph in message.meta_graphs:
        normal(meta_graph)
    return message


# ---------------------------------------------------------------- TensorFlow

SAVED_MODELS = sorted(
    str(path.relative_to(PROJECT)) for path in (PROJECT / "fixtures").rglob("saved_model.pb*")
)


def rebuilt_all(saved_model: SavedModel) -> SavedModel:
    return replace(
        saved_model, meta_graphs=tuple(rebuilt(part) for part in saved_model.meta_graphs)
    )


def written(saved_model: SavedModel, folder: Path) -> Path:
    path = folder / "ours.pb"
    path.write_bytes(joined(encode_saved_model(saved_model)))
    return path


@pytest.mark.parametrize("file", SAVED_MODELS)
def test_tensorflow_reads_ours_as_the_one_it_wrote(
    tensorflow_2_21: Judge, tmp_path: Path, file: str
) -> None:
    saved_model = tfa.open(PROJECT / file)
    assert isinstance(saved_model, SavedModel)
    for change in (saved_model, rebuilt_all(saved_model)):
        path = written(change, tmp_path)
        assert tensorflow_2_21.same_message("SavedModel", PROJECT / file, path)


# Until 2016 signatures had no shapes: to TensorFlow, too, a missing one is a scalar's.
WITHOUT_SHAPES = {"001_tf_hpt_20160923", "003_tf_hpt_sharded_20160927"}


def test_real_saved_models_come_back(
    tensorflow_2_21: Judge, shared_artifacts: Path, tmp_path: Path
) -> None:
    different = set()
    count = 0
    for source in sorted(shared_artifacts.rglob("saved_model.pb")):
        saved_model = tfa.open(source)
        assert isinstance(saved_model, SavedModel)
        count += 1
        for change in (saved_model, rebuilt_all(saved_model)):
            path = written(change, tmp_path)
            if not tensorflow_2_21.same_message("SavedModel", source, path):
                different.add(source.parent.name)
                expected = normal_all(parse("SavedModel", source.read_bytes()))
                ours = normal_all(parse("SavedModel", path.read_bytes()))
                assert canonical(ours) == canonical(expected), source
    assert different == WITHOUT_SHAPES
    assert count > 10


@pytest.mark.parametrize(
    ("folder", "tags"),
    [("two_meta_graphs", {"serve"}), ("two_meta_graphs", {"serve", "gpu"}), ("text", {"serve"})],
)
def test_meta_graphs_are_chosen_by_their_tag_set(
    fixtures: Path, folder: str, tags: set[str]
) -> None:
    saved_model = tfa.open(fixtures / "saved-models" / folder)
    assert isinstance(saved_model, SavedModel)
    assert saved_model.meta_graph(tags).tags == tags
    with pytest.raises(tfa.NameNotFoundError, match=r"there is \{"):
        saved_model.meta_graph({"train"})


def test_text_and_binary_hold_the_same(fixtures: Path) -> None:
    binary = tfa.open(fixtures / "saved-models" / "two_meta_graphs")
    text = tfa.open(fixtures / "saved-models" / "text")
    assert isinstance(binary, SavedModel)
    assert isinstance(text, SavedModel)
    ours = [
        joined(encode_saved_model(replace(m, meta_graphs=m.meta_graphs[:1])))
        for m in (binary, text)
    ]
    first, second = (parse("SavedModel", data) for data in ours)
    assert canonical(first) == canonical(second)


def test_saved_models_can_be_pickled(fixtures: Path) -> None:
    saved_model = tfa.open(fixtures / "keras" / "export")
    assert isinstance(saved_model, SavedModel)
    again = pickle.loads(pickle.dumps(saved_model))
    data = (fixtures / "keras" / "export" / "saved_model.pb").read_bytes()
    assert canonical(parse("SavedModel", joined(encode_saved_model(again)))) == canonical(
        parse("SavedModel", data)
    )
    assert schema.message_class("SavedModel").FromString(data).ByteSize() == len(data)
