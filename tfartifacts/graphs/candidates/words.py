"""What names mean: the words in them, and whether somebody chose them.

Patterns are compiled when first needed: at import they would delay every start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache

_RESULT_WORDS = {
    **dict.fromkeys(
        "predict prediction predictions predicted predicts pred preds output outputs prob probs "
        "probability probabilities proba score scores class classes detection detections "
        "result results generated reconstruction decoded answer yhat hypothesis".split(),
        5.0,
    ),
    **dict.fromkeys(
        "out logits logit softmax sigmoid embedding embeddings inference infer action actions "
        "classification encoding features translation mask boxes segmentation sample samples "
        "generator decoder qvalue similarity value".split(),
        2.5,
    ),
}
_LOSS_WORDS = frozenset(
    "loss losses cost costs xent xentropy entropy crossentropy accuracy acc metric metrics mse mae "
    "rmse regularizer regularization regularizers penalty precision recall auc correct error "
    "errors perplexity confusion hinge huber objective ler cer wer iou dice weightdecay".split()
)
_LABEL_WORDS = frozenset(
    "label labels target targets tgt truth groundtruth gt annotation annotations ytrue weights "
    "expected teacher reward rewards advantage advantages".split()
)
# Variables whose readers are counters and schedules, not layers.
_BOOKKEEPING = frozenset(
    "global_step beta1_power beta2_power save_counter iteration iterations learning_rate lr decay "
    "epoch current_epoch".split()
)
# Names TensorFlow's Python gives where the user gave none and that are not the op's.
_DEFAULT_NAMES = frozenset(
    "add sub mul div truediv floordiv mod pow matmul strided_slice concat stack unstack split "
    "transpose dropout embedding_lookup tofloat toint32 toint64 conv2d xw_plus_b flatten "
    "l2_normalize gathernd gather boolean_mask moments batchnorm rnn while cond one_hot "
    "reshape squeeze expand_dims identity".split()
)

_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+"
_SWITCH = (
    r"(?i)keep_?prob|dropout|(^|_)(is_?)?train(ing)?(_?(flag|phase|mode))?($|_\d)|phase|"
    r"learning_?rate|(^|_)lr($|_)|momentum|batch_?size|temperature|global_?step|(^|_)mode($|_)|is_?test|"
    r"keep_?rate"
)
_GRADIENT_SCOPE = r"(?:\A|/)(?:gradients?(?:_\d+)?|gradient_tape|GradientTape)/"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def words(name: str) -> list[str]:
    """`["my", "prediction"]` of `myPrediction_1`."""
    # Names are capped: a hostile one of megabytes tells no more than its end.
    return [word.lower() for word in _compiled(_WORD).findall(name[-200:])]


def scope_words(name: str) -> frozenset[str]:
    """The words of all a name's components but the last."""
    return _scope_words(name.rpartition("/")[0][-400:])


# Neighbours in a file share their scope.
@lru_cache(maxsize=1024)
def _scope_words(scope: str) -> frozenset[str]:
    return frozenset(word for part in scope.split("/") for word in words(part))


def last_component(name: str) -> str:
    """`MatMul` of `dense/MatMul`."""
    return name.rpartition("/")[2]


def is_default_name(last: str, op: str) -> bool:
    """Whether TensorFlow gave it, as `MatMul_1` or `add`, and not a person."""
    plain = _without_number(last).lower()
    return plain == op.lower() or plain in _DEFAULT_NAMES or op.lower().startswith(plain + "v")


def _without_number(last: str) -> str:
    """`MatMul` of `MatMul_1`."""
    name, underscore, number = last.rpartition("_")
    return name if underscore and number.isdecimal() else last


def tells_of_loss(found: Iterable[str]) -> bool:
    return not _LOSS_WORDS.isdisjoint(found)


def tells_of_label(last: str) -> bool:
    return not _LABEL_WORDS.isdisjoint(words(last))


def tells_of_result(found: Iterable[str]) -> bool:
    return any(word in _RESULT_WORDS for word in found)


def result_score(found: Iterable[str]) -> float:
    """What the word is worth that tells most of a result; 0 if none does."""
    return max((_RESULT_WORDS.get(word, 0.0) for word in found), default=0.0)


def tells_of_switch(last: str) -> bool:
    return _compiled(_SWITCH).search(last) is not None


def tells_of_bookkeeping(name: str) -> bool:
    last = last_component(name[-200:])
    return last in _BOOKKEEPING or _without_number(last) in _BOOKKEEPING


def is_in_gradient_scope(name: str) -> bool:
    """Whether tf.gradients made it, or something called by its name."""
    return "grad" in name.lower() and _compiled(_GRADIENT_SCOPE).search(name) is not None


def end_of_gradient_scope(name: str) -> int:
    """Where the name goes on behind its last gradient scope; 0 without one."""
    end = 0
    for match in _compiled(_GRADIENT_SCOPE).finditer(name):
        end = match.end()
    return end
