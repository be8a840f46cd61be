"""Target 4: every tensor of 1.3 GB handed out, unread and checked, in process."""

from __future__ import annotations

import sys

from benchmarks.data import bert
from benchmarks.data.place import size_text
from benchmarks.measuring.cases import ANONYMOUS, Case, Limit
from benchmarks.peers import CHECKPOINT_READER, SAFETENSORS, TENSORFLOW_2
from benchmarks.targets.setting import Setting, in_process, missing, there

_ANONYMOUS = 40 * 2**20


def cases(setting: Setting) -> list[Case]:
    return [_unread(setting), _checked(setting)]


def _unread(setting: Setting) -> Case:
    ours, theirs = "views of all tensors", "views, tensorflow-checkpoint-reader"
    count = str(len(bert.shapes(setting.bert_size)))
    limits = (
        Limit(ours, None, 0.010),
        Limit(ours, None, _ANONYMOUS, ANONYMOUS),
        Limit(ours, theirs, None, needs=CHECKPOINT_READER),
    )
    reader = setting.peers.python(CHECKPOINT_READER)
    sides = (
        in_process(ours, "ours_views", setting.bert_prefix, count),
        None
        if reader is None
        else in_process(theirs, "reader_read", setting.bert_prefix, count, python=reader),
    )
    return Case(
        "views",
        f"open {size_text(setting.plain_bert.num_bytes)} and hand out every tensor, in process",
        there(sides),
        limits,
        target=4,
        datasets=(setting.plain_bert,),
        missing=missing(limits, setting.peers),
    )


def _checked(setting: Setting) -> Case:
    ours = "all tensors, checked"
    tensorflow, safetensors = f"get_tensor, {TENSORFLOW_2}", "safe_open, safetensors"
    count = str(len(bert.shapes(setting.bert_size)))
    limits = (
        Limit(ours, tensorflow, 0.15, needs=TENSORFLOW_2),
        Limit(ours, safetensors, 0.6, needs=SAFETENSORS),
        Limit(ours, None, _ANONYMOUS, ANONYMOUS),
    )
    python = setting.peers.python(TENSORFLOW_2)
    sides = [in_process(ours, "ours_views", setting.bert_prefix, count, "check")]
    if python is not None:
        sides.append(
            in_process(tensorflow, "tensorflow_read", setting.bert_prefix, count, python=python)
        )
    if setting.peers.python(SAFETENSORS) is not None:
        file = f"{setting.bert_as_safetensors.path(setting.root)}/{bert.SAFETENSORS}"
        sides.append(
            in_process(safetensors, "safetensors_read", file, count, python=sys.executable)
        )
    return Case(
        "views-checked",
        f"the same with each checksum compared: {size_text(setting.plain_bert.num_bytes)}",
        tuple(sides),
        limits,
        target=4,
        datasets=(setting.plain_bert, setting.bert_as_safetensors),
        missing=missing(limits, setting.peers),
        note="safetensors has no checksums",
    )
