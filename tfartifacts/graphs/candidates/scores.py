"""How likely a node is the result of a model: by its op, by what consumes it, by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tfartifacts.graphs.candidates.flow import Flow
from tfartifacts.graphs.candidates.ops import (
    BARRIERS,
    LOOP_OPS,
    MADE_FOR_COMPARISON,
    METRIC_OPS,
    PASSES_SCORE,
    op_score,
)
from tfartifacts.graphs.candidates.region import Region
from tfartifacts.graphs.candidates.tensors import Tensors
from tfartifacts.graphs.candidates.words import (
    is_default_name,
    last_component,
    result_score,
    scope_words,
    tells_of_loss,
    tells_of_result,
    words,
)
from tfartifacts.model import Node

_LONGEST_PASS = 10
_LONGEST_SHOWN_NAME = 60


class Scored(NamedTuple):
    """The position of a node with its score; larger is better, 0 or less is no candidate."""

    score: float
    node: int
    reason: str


def score_nodes(flow: Flow, region: Region) -> list[Scored]:
    """The nodes of the tail, and those named or used like a result between the layers."""
    scored = [_score(index, flow, region) for index in region.tail]
    for index in region.between:
        compared = is_compared(index, flow, region)
        generated = _leaves_generator(index, flow)
        if not compared and not _is_named_result(index, flow, generated):
            continue
        item = _score(index, flow, region)
        if generated:
            item = item._replace(score=item.score + 5.0)
        elif not compared:
            item = item._replace(score=item.score - 3.0)
        scored.append(item)
    return [item for item in scored if item.score > 0.0]


def lost_by_type(index: int, tensors: Tensors) -> float:
    """What a scalar or a truth value loses: seldom what a model is for."""
    info = tensors.describe(index)
    lost = 3.0 if info.shape == () else 0.0
    if info.dtype is not None and info.dtype.base.name in ("bool", "resource", "variant"):
        lost += 2.0
    return lost


def is_compared(index: int, flow: Flow, region: Region) -> bool:
    """Whether somebody made an Identity to give it a name, and it meets the labels."""
    return _is_name_giver(flow.nodes[index]) and any(
        user in region.from_labels for user in flow.edges.consumers[index]
    )


def is_marked(index: int, flow: Flow, region: Region) -> bool:
    """Whether somebody made an Identity to name an end, or what the loss compares."""
    is_named_end = index in region.ends and _is_name_giver(flow.nodes[index])
    return is_named_end or is_compared(index, flow, region)


def _is_name_giver(node: Node) -> bool:
    return node.op in ("Identity", "IdentityN") and not is_default_name(
        last_component(node.name), node.op
    )


def _score(index: int, flow: Flow, region: Region) -> Scored:
    node = flow.nodes[index]
    score, reasons = _op_score(index, flow, region), []
    users = flow.users(index)
    if not users:
        score += 3.0
        reasons.append("an end of the graph")
    elif index not in region.to_ends and index in region.tail:
        score += 2.0
        reasons.append("only loss and metrics use it")
    if region.layers and index not in region.behind:
        score -= 2.0
        reasons.append("passes no layer")
    if index in flow.machinery.from_gradients:
        score -= 4.0
        reasons.append("depends on gradients")
    named, word = _name_score(node)
    score += named
    if word:
        reasons.append(word)
    elif index in region.layers:
        reasons.append("the last layer")
    if is_compared(index, flow, region):
        score += 3.5
        reasons.append("compared with labels")
    if node.op in METRIC_OPS:
        score -= 2.0
    if _ends_in_comparison(node, users, flow):
        # More than any name gives: below what it was taken from.
        score -= 5.0
    return Scored(score, index, ", ".join(reasons) or f"{node.op} behind the last layer")


def _op_score(index: int, flow: Flow, region: Region) -> float:
    extra = 0.0
    for _ in range(_LONGEST_PASS):
        op = flow.nodes[index].op
        if index in region.layers:
            return 2.0 + extra
        if op not in PASSES_SCORE or not flow.edges.producers[index]:
            break
        index = flow.edges.producers[index][0]
        extra = 0.1
    return op_score(op) + extra


def _name_score(node: Node) -> tuple[float, str]:
    """What the name adds, and the reason if it is a word of it."""
    last = last_component(node.name)
    found, scope = words(last), scope_words(node.name)
    score, reason = 0.0, ""
    if tells_of_loss(found):
        score -= 8.0
    in_loss = tells_of_loss(scope)
    if in_loss:
        score -= 3.0
    if not is_default_name(last, node.op):
        best = result_score(found)
        score += best or 1.5
        if best:
            is_short = len(last) <= _LONGEST_SHOWN_NAME
            reason = f"named {last!r}" if is_short else "named like a result"
    if not in_loss and tells_of_result(scope):
        score += 1.0
    return score, reason


def _ends_in_comparison(node: Node, users: Sequence[int], flow: Flow) -> bool:
    """An ArgMax (or a cast or rounding) made only to be compared with labels."""
    return (
        node.op in MADE_FOR_COMPARISON
        and bool(users)
        and all(flow.nodes[user].op in METRIC_OPS for user in users)
    )


def _is_named_result(index: int, flow: Flow, generated: bool) -> bool:
    node = flow.nodes[index]
    if node.op in BARRIERS or node.op in LOOP_OPS:
        return False
    last = last_component(node.name)
    return generated or (not is_default_name(last, node.op) and tells_of_result(words(last)))


def _leaves_generator(index: int, flow: Flow) -> bool:
    """The result of a scope `generator`, which a discriminator consumes."""
    top = flow.nodes[index].name.partition("/")[0]
    if "generator" not in words(top):
        return False
    users = [user for user in flow.edges.consumers[index] if user not in flow.machinery.nodes]
    return all(flow.nodes[user].name.partition("/")[0] != top for user in users)
