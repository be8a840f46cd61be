"""Google's BERT for PyTorch: names and shapes of TensorFlow 1, and those of Hugging Face.

    TensorFlow                                   PyTorch
    bert/encoder/layer_0/...                     bert.encoder.layer.0....
    .../kernel         (inputs, outputs)         ....weight   (outputs, inputs): transposed
    .../bias                                     ....bias
    .../LayerNorm/gamma, beta                    ....LayerNorm.weight, bias
    bert/embeddings/word_embeddings, ...         bert.embeddings.word_embeddings.weight, ...
    bert/pooler/dense/kernel                     bert.pooler.dense.weight, transposed
    cls/predictions/transform/dense/kernel       cls.predictions.transform.dense.weight, transposed
    cls/predictions/output_bias                  cls.predictions.bias
    cls/seq_relationship/output_weights          cls.seq_relationship.weight   (outputs, inputs)
    cls/seq_relationship/output_bias             cls.seq_relationship.bias
    cls/squad/output_weights, output_bias        qa_outputs.weight, bias
    output_weights, output_bias                  classifier.weight, bias

What is the optimizer's (adam_m, adam_v) and global_step stays behind. Of the output layer over the
vocabulary a checkpoint has the bias alone: its weights are the word embeddings, in PyTorch too.

Source: https://github.com/google-research/bert, modeling.py, run_pretraining.py, run_classifier.py,
run_squad.py; transformers, load_tf_weights_in_bert.
"""

from __future__ import annotations

import re

from tfartifacts.records import dataclass

PRESET = "bert-pytorch"

_PARTS = (
    r"embeddings/LayerNorm",
    r"encoder/layer_\d+/attention/self/(?:query|key|value)",
    r"encoder/layer_\d+/attention/output/(?:dense|LayerNorm)",
    r"encoder/layer_\d+/(?:intermediate/dense|output/dense|output/LayerNorm)",
    r"pooler/dense",
)
_KNOWN = re.compile(
    rf"(?:bert/(?:{'|'.join(_PARTS)})|cls/predictions/transform/(?:dense|LayerNorm))"
    r"/(?P<last>kernel|bias|gamma|beta)\Z"
)
_EMBEDDINGS = re.compile(r"bert/embeddings/(word|position|token_type)_embeddings\Z")
_LAST = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias"}
_HEADS = {
    "cls/predictions/output_bias": "cls.predictions.bias",
    "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
    "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
    "cls/squad/output_weights": "qa_outputs.weight",
    "cls/squad/output_bias": "qa_outputs.bias",
    "output_weights": "classifier.weight",
    "output_bias": "classifier.bias",
}
_UNWANTED = re.compile(
    r"(\A|/)(adam_[mv]|lamb_[mv]|Adam\w*|AdamWeightDecayOptimizer\w*|global_step)\Z"
)
_LAYER = re.compile(r"\blayer\.?_(\d+)\b")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a variable goes."""

    name: str
    is_transposed: bool = False


def place_of(name: str) -> Place | None:
    """The name in PyTorch, and whether rows become columns; None for what the table has not."""
    if name in _HEADS:
        return Place(_HEADS[name])
    if _EMBEDDINGS.match(name):
        return Place(name.replace("/", ".") + ".weight")
    match = _KNOWN.match(name)
    if match is None:
        return None
    path = _LAYER.sub(r"layer.\1", name[: match.start("last")].replace("/", "."))
    return Place(path + _LAST[match["last"]], match["last"] == "kernel")


def is_unwanted(name: str) -> bool:
    """Whether it is the optimizer's, or counts steps."""
    return _UNWANTED.search(name) is not None
