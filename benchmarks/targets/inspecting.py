"""Targets 1 and 2: a cold `inspect`, the whole process, against TensorFlow's own tools."""

from __future__ import annotations

import sys

from benchmarks.measuring.cases import PEAK, Case, Limit, Side
from benchmarks.peers import TENSORFLOW_1, TENSORFLOW_2
from benchmarks.targets.setting import (
    SMALL_CHECKPOINT,
    SMALL_SAVED_MODEL,
    Setting,
    command,
    missing,
    there,
    tool,
)

_MIB = 2**20


def cases(setting: Setting) -> list[Case]:
    return [_checkpoint(setting), _signatures(setting)]


def _checkpoint(setting: Setting) -> Case:
    ours = "tfartifacts inspect"
    empty = "python -c pass"
    limits = (
        Limit(ours, empty, 6),
        *(
            Limit(ours, f"inspect_checkpoint, {peer}", at_most, needs=peer)
            for peer, at_most in ((TENSORFLOW_2, 0.04), (TENSORFLOW_1, 0.10))
        ),
        Limit(ours, None, 25 * _MIB, PEAK),
    )
    sides = (
        command(ours, tool("inspect", SMALL_CHECKPOINT)),
        command(empty, (sys.executable, "-c", "pass")),
        *(
            _tensorflow_tool(setting, "inspect_checkpoint", peer, f"--file_name={SMALL_CHECKPOINT}")
            for peer in (TENSORFLOW_2, TENSORFLOW_1)
        ),
    )
    return Case(
        "inspect",
        "inspect of a small checkpoint (32 variables, a graph of 466 nodes), cold process",
        there(sides),
        limits,
        target=1,
        missing=missing(limits, setting.peers),
    )


def _signatures(setting: Setting) -> Case:
    ours = "tfartifacts inspect --show signatures"
    shown = "saved_model_cli show --all, "
    limits = (
        Limit(ours, shown + TENSORFLOW_2, 0.04, needs=TENSORFLOW_2),
        Limit(ours, shown + TENSORFLOW_1, None, needs=TENSORFLOW_1),
        Limit(ours, None, 25 * _MIB, PEAK),
    )
    sides = (
        command(ours, tool("inspect", SMALL_SAVED_MODEL, "--show", "signatures")),
        *(
            _tensorflow_tool(
                setting, "saved_model_cli", peer, "show", "--dir", SMALL_SAVED_MODEL, "--all"
            )
            for peer in (TENSORFLOW_2, TENSORFLOW_1)
        ),
    )
    return Case(
        "signatures",
        "inspect of a small SavedModel's signatures, cold process",
        there(sides),
        limits,
        target=2,
        missing=missing(limits, setting.peers),
    )


def _tensorflow_tool(setting: Setting, name: str, peer: str, *arguments: str) -> Side | None:
    python = setting.peers.python(peer)
    if python is None:
        return None
    shown = "saved_model_cli show --all" if name == "saved_model_cli" else name
    return command(
        f"{shown}, {peer}", (python, "-m", f"tensorflow.python.tools.{name}", *arguments)
    )
