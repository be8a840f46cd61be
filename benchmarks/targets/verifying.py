"""Target 5: every checksum of 1.3 GB, the whole process, against reading it at all."""

from __future__ import annotations

from benchmarks.measuring.cases import PEAK, Case, Limit
from benchmarks.targets.setting import Setting, command, data_file, tool


def cases(setting: Setting) -> list[Case]:
    ours, one_thread = "tfartifacts verify", "tfartifacts verify --jobs 1"
    data = data_file(setting.bert_prefix)
    limits = (
        Limit(ours, "cat", 1.3),
        Limit(ours, "sha256sum", 0.1),
        Limit(ours, one_thread, None),
        Limit(ours, None, 32 * 2**20, PEAK),
    )
    sides = (
        command(ours, tool("verify", setting.bert_prefix)),
        command(one_thread, tool("verify", "--jobs", "1", setting.bert_prefix)),
        command("cat", ("cat", data)),
        command("sha256sum", ("sha256sum", data)),
    )
    return [
        Case(
            "verify",
            f"verify a checkpoint of {_size(setting)}, whole process",
            sides,
            limits,
            target=5,
            datasets=(setting.plain_bert,),
        )
    ]


def _size(setting: Setting) -> str:
    from benchmarks.data.place import size_text

    return size_text(setting.plain_bert.num_bytes)
