"""Constant memory: peaks at 4 GB, and at 15 MB in as many variables with as many nodes."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.data.place import size_text
from benchmarks.measuring.cases import PEAK, Case, Command, Limit, Side
from benchmarks.targets.converting import convert
from benchmarks.targets.setting import Setting, tool

_RUNS = 3  # memory does not drift as time does


def cases(setting: Setting) -> list[Case]:
    large, narrow = setting.bert_with_adam, setting.narrow_bert_with_adam
    out = setting.result("memory")
    works: dict[str, Callable[[str], Command]] = {
        "verify": lambda prefix: tool("verify", prefix),
        "stats": lambda prefix: tool("stats", prefix),
        "stats --no-quantiles": lambda prefix: tool("stats", "--no-quantiles", prefix),
        "convert": lambda prefix: convert(prefix, out, "--keep-training-graph"),
        "convert, pruned": lambda prefix: convert(prefix, out),
        "export": lambda prefix: tool("export", prefix, f"{out}.safetensors"),
        "edit": lambda prefix: tool("edit", prefix, f"{out}/m", "--strip-optimizer"),
    }
    makes = (out, f"{out}.safetensors")
    sides = tuple(
        Side(f"{name}, {which}", (work(prefix),), makes=makes)
        for name, work in works.items()
        for which, prefix in (
            (size_text(large.num_bytes), setting.adam_prefix),
            ("narrow", setting.narrow_adam_prefix),
        )
    )
    limits = tuple(
        Limit(one.name, other.name, 1.25, PEAK)
        for one, other in zip(sides[::2], sides[1::2], strict=True)
    )
    return [
        Case(
            "memory",
            f"peak memory at {size_text(large.num_bytes)} and {size_text(narrow.num_bytes)}",
            sides,
            limits,
            datasets=(large, narrow),
            room=large.num_bytes,
            most_pairs=_RUNS,
        )
    ]
