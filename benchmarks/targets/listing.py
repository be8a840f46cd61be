"""Target 3: names and shapes of many variables, in process, imports not counted."""

from __future__ import annotations

from benchmarks.measuring.cases import Case, Limit, Side
from benchmarks.peers import TENSORFLOW_1, TENSORFLOW_2
from benchmarks.targets.setting import Setting, in_process, missing, there

_OURS = "tfa.open(PREFIX).variables"
_THEIRS = "tf.train.list_variables"


def cases(setting: Setting) -> list[Case]:
    return [_many(setting), _million(setting)]


def _many(setting: Setting) -> Case:
    many, fewer = setting.count(100_000), setting.count(10_000)
    ours, small = (f"{_OURS}, {count:,}" for count in (many, fewer))
    theirs = f"{_THEIRS}, {many:,}, "
    limits = (
        Limit(ours, theirs + TENSORFLOW_2, 0.15, needs=TENSORFLOW_2),
        Limit(ours, theirs + TENSORFLOW_1, None, needs=TENSORFLOW_1),
        Limit(ours, small, 16),
    )
    sides = (
        _ours(setting, ours, many),
        _ours(setting, small, fewer),
        *(_theirs(setting, theirs + peer, peer, many) for peer in (TENSORFLOW_2, TENSORFLOW_1)),
    )
    return Case(
        "list",
        f"list {many:,} variables, in process",
        there(sides),
        limits,
        target=3,
        datasets=(setting.variables(many), setting.variables(fewer)),
        missing=missing(limits, setting.peers),
    )


def _million(setting: Setting) -> Case:
    many = setting.count(1_000_000)
    ours = f"{_OURS}, {many:,}"
    theirs = f"{_THEIRS}, {many:,}, {TENSORFLOW_2}"
    limits = (Limit(ours, None, 1.0), Limit(ours, theirs, None, needs=TENSORFLOW_2))
    sides = (_ours(setting, ours, many), _theirs(setting, theirs, TENSORFLOW_2, many, most_runs=3))
    return Case(
        "list-million",
        f"list {many:,} variables, in process",
        there(sides),
        limits,
        target=3,
        datasets=(setting.variables(many),),
        missing=missing(limits, setting.peers),
    )


def _ours(setting: Setting, name: str, count: int) -> Side:
    return in_process(name, "ours_list", setting.prefix(setting.variables(count)), str(count))


def _theirs(
    setting: Setting, name: str, peer: str, count: int, most_runs: int | None = None
) -> Side | None:
    python = setting.peers.python(peer)
    if python is None:
        return None
    prefix = setting.prefix(setting.variables(count))
    return in_process(
        name, "tensorflow_list", prefix, str(count), python=python, most_runs=most_runs
    )
