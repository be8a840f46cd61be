"""Google's BERT for PyTorch: names, shapes, and the same probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tests.exchange_files import checkpoint_of
from tfartifacts.exchange.bert import Place, is_unwanted, place_of
from tfartifacts.exchange.safetensors import read_header

# Names of transformers' BertForPreTraining, ...ForSequenceClassification, ...ForQuestionAnswering.
PLACES = {
    "bert/embeddings/word_embeddings": "bert.embeddings.word_embeddings.weight",
    "bert/embeddings/position_embeddings": "bert.embeddings.position_embeddings.weight",
    "bert/embeddings/token_type_embeddings": "bert.embeddings.token_type_embeddings.weight",
    "bert/embeddings/LayerNorm/gamma": "bert.embeddings.LayerNorm.weight",
    "bert/embeddings/LayerNorm/beta": "bert.embeddings.LayerNorm.bias",
    "bert/encoder/layer_0/attention/self/query/kernel": (
        "bert.encoder.layer.0.attention.self.query.weight"
    ),
    "bert/encoder/layer_11/attention/self/value/bias": (
        "bert.encoder.layer.11.attention.self.value.bias"
    ),
    "bert/encoder/layer_3/attention/output/dense/kernel": (
        "bert.encoder.layer.3.attention.output.dense.weight"
    ),
    "bert/encoder/layer_3/attention/output/LayerNorm/gamma": (
        "bert.encoder.layer.3.attention.output.LayerNorm.weight"
    ),
    "bert/encoder/layer_3/intermediate/dense/bias": "bert.encoder.layer.3.intermediate.dense.bias",
    "bert/encoder/layer_3/output/dense/kernel": "bert.encoder.layer.3.output.dense.weight",
    "bert/encoder/layer_3/output/LayerNorm/beta": "bert.encoder.layer.3.output.LayerNorm.bias",
    "bert/pooler/dense/kernel": "bert.pooler.dense.weight",
    "cls/predictions/transform/dense/kernel": "cls.predictions.transform.dense.weight",
    "cls/predictions/transform/LayerNorm/beta": "cls.predictions.transform.LayerNorm.bias",
    "cls/predictions/output_bias": "cls.predictions.bias",
    "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
    "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
    "cls/squad/output_weights": "qa_outputs.weight",
    "output_weights": "classifier.weight",
    "output_bias": "classifier.bias",
}


@pytest.mark.parametrize("name", PLACES)
def test_every_variable_of_bert_has_a_place(name: str) -> None:
    assert place_of(name) == Place(PLACES[name], name.endswith("kernel"))
    assert not is_unwanted(name)


@pytest.mark.parametrize(
    "name",
    [
        "global_step",
        "output_bias/adam_m",
        "bert/pooler/dense/kernel/adam_v",
        "output_weights/Adam_1",
    ],
)
def test_what_is_the_optimizers_is_unwanted(name: str) -> None:
    assert is_unwanted(name)
    assert place_of(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "bert/encoder/layer_0/adapter/kernel",
        "bert/encoder/layer_x/output/dense/kernel",
        "head/kernel",
        "bert/embeddings/word_embeddings_2",
    ],
)
def test_what_bert_has_not_has_no_place(name: str) -> None:
    assert place_of(name) is None


def test_kernels_are_transposed_and_nothing_else(fixtures: Path, tmp_path: Path) -> None:
    source = tfa.open(fixtures / "bert-style" / "model.ckpt-3")
    assert isinstance(source, tfa.Checkpoint)
    written = tfa.export(source, tmp_path / "m.safetensors", preset="bert-pytorch")
    assert len(written.tensors) == 25
    assert read_header(str(tmp_path / "m.safetensors")).metadata["format"] == "pt"
    found = tfa.import_checkpoint(tmp_path / "m.safetensors").variables
    for tensor in written.tensors:
        array = source.variables[tensor.source].read()
        expected = array.T if tensor.source.endswith("kernel") else array
        assert found[tensor.name].read().tobytes() == expected.tobytes()
        assert found[tensor.name].shape == expected.shape


def test_other_variables_may_be_named(tmp_path: Path) -> None:
    source = checkpoint_of(
        {"bert/pooler/dense/kernel": np.ones((2, 3)), "head/kernel": np.ones((2, 3))}
    )
    found = tfa.export(
        source, tmp_path / "m.npz", preset="bert-pytorch", names={"head/kernel": "head.kernel"}
    )
    assert [(t.name, t.shape) for t in found.tensors] == [
        ("bert.pooler.dense.weight", (3, 2)),
        ("head.kernel", (2, 3)),
    ]


def test_a_kernel_that_is_no_matrix_is_refused(tmp_path: Path) -> None:
    source = checkpoint_of({"bert/pooler/dense/kernel": np.ones((2, 3, 4))})
    with pytest.raises(tfa.ConversionError, match="expected a matrix"):
        tfa.export(source, tmp_path / "m.npz", preset="bert-pytorch")


# ---------------------------------------------------------------- PyTorch as the judge


def bert(torch: Any, hidden: int, heads: int, vocabulary: int, length: int) -> Any:
    """A module with the names of transformers' BertForSequenceClassification, of one layer."""
    nn = torch.nn

    def dense(inputs: int, outputs: int) -> Any:
        return nn.ModuleDict({"dense": nn.Linear(inputs, outputs)})

    def normalized(inputs: int) -> Any:
        block = dense(inputs, hidden)
        block["LayerNorm"] = nn.LayerNorm(hidden, eps=1e-12)
        return block

    attention = nn.ModuleDict(
        {
            "self": nn.ModuleDict(
                {name: nn.Linear(hidden, hidden) for name in ("query", "key", "value")}
            ),
            "output": normalized(hidden),
        }
    )
    layer = nn.ModuleDict(
        {
            "attention": attention,
            "intermediate": dense(hidden, 4 * hidden),
            "output": normalized(4 * hidden),
        }
    )
    embeddings = nn.ModuleDict(
        {
            "word_embeddings": nn.Embedding(vocabulary, hidden),
            "token_type_embeddings": nn.Embedding(2, hidden),
            "position_embeddings": nn.Embedding(length, hidden),
            "LayerNorm": nn.LayerNorm(hidden, eps=1e-12),
        }
    )
    body = nn.ModuleDict(
        {
            "embeddings": embeddings,
            "encoder": nn.ModuleDict({"layer": nn.ModuleList([layer])}),
            "pooler": dense(hidden, hidden),
        }
    )
    return nn.ModuleDict({"bert": body, "classifier": nn.Linear(hidden, 2)})


def probabilities(torch: Any, model: Any, heads: int, ids: Any, mask: Any, segments: Any) -> Any:
    body = model["bert"]
    embeddings = body["embeddings"]
    x = embeddings["word_embeddings"](ids) + embeddings["token_type_embeddings"](segments)
    x = embeddings["LayerNorm"](x + embeddings["position_embeddings"].weight)
    batch, length, hidden = x.shape

    def split(y: Any) -> Any:
        return y.reshape(batch, length, heads, hidden // heads).transpose(1, 2)

    for layer in body["encoder"]["layer"]:
        attention = layer["attention"]
        query, key, value = (split(attention["self"][n](x)) for n in ("query", "key", "value"))
        scores = query @ key.transpose(-1, -2) * (heads / hidden) ** 0.5
        scores = scores + (1.0 - mask[:, None, None, :].float()) * -10000.0
        context = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, hidden)
        output = attention["output"]
        x = output["LayerNorm"](x + output["dense"](context))
        between = torch.nn.functional.gelu(layer["intermediate"]["dense"](x))
        x = layer["output"]["LayerNorm"](x + layer["output"]["dense"](between))
    pooled = torch.tanh(body["pooler"]["dense"](x[:, 0]))
    return model["classifier"](pooled).softmax(-1)


@pytest.mark.filterwarnings("ignore")
def test_pytorch_computes_what_tensorflow_computed(fixtures: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="pip install torch")
    library = pytest.importorskip("safetensors.torch", reason="pip install safetensors")
    source = tfa.open(fixtures / "bert-style")
    tfa.export(source, tmp_path / "model.safetensors", preset="bert-pytorch")
    model = bert(torch, hidden=16, heads=2, vocabulary=64, length=8)
    # Strict: every name is there, and no other, each of the right shape.
    model.load_state_dict(library.load_file(tmp_path / "model.safetensors"))
    with np.load(fixtures / "bert-style" / "expected.npz") as expected:
        feeds = [
            torch.from_numpy(expected[name].astype(np.int64))
            for name in ("input_ids", "input_mask", "segment_ids")
        ]
        with torch.no_grad():
            found = probabilities(torch, model, 2, *feeds).numpy()
        assert np.abs(found - expected["probabilities"]).max() < 1e-6
