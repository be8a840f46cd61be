"""Target 10: range, mean, spread, NaN and zeros of 1.3 GB, in process, imports not counted."""

from __future__ import annotations

from benchmarks.data import bert
from benchmarks.data.place import size_text
from benchmarks.measuring.cases import Case, Limit
from benchmarks.peers import TENSORFLOW_2
from benchmarks.targets.setting import Setting, in_process, missing, there


def cases(setting: Setting) -> list[Case]:
    ours, more = "tfa.statistics without quantiles", "tfa.statistics with quantiles"
    theirs = f"get_tensor and NumPy, {TENSORFLOW_2}"
    prefix, count = setting.bert_prefix, str(len(bert.shapes(setting.bert_size)))
    limits = (
        Limit(ours, theirs, 0.35, needs=TENSORFLOW_2),
        Limit(more, theirs, None, needs=TENSORFLOW_2),
    )
    python = setting.peers.python(TENSORFLOW_2)
    sides = (
        in_process(ours, "ours_statistics", prefix, count),
        in_process(more, "ours_statistics", prefix, count, "quantiles"),
        None
        if python is None
        else in_process(theirs, "tensorflow_statistics", prefix, count, python=python),
    )
    return [
        Case(
            "statistics",
            f"min, max, mean, std, NaN, zeros of {size_text(setting.plain_bert.num_bytes)}",
            there(sides),
            limits,
            target=10,
            datasets=(setting.plain_bert,),
            missing=missing(limits, setting.peers),
        )
    ]
