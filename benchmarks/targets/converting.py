"""Targets 6 and 7: 4 GB converted whole, with links, and pruned; exported. Whole processes.

What is copied by `cp` is neither on the disk when that ends nor read again; what we write is both.
So a copy that is waited for (`cp` and `sync`) stands beside, for information.
"""

from __future__ import annotations

from benchmarks.data.place import size_text
from benchmarks.measuring.cases import PEAK, Case, Command, Limit, Side
from benchmarks.peers import TENSORFLOW_2
from benchmarks.targets.setting import Setting, data_file, missing, program, there, tool

_MIB = 2**20
_SIGNATURE = ("--inputs", "input_ids,input_mask,segment_ids", "--outputs", "probabilities")
_SESSION_RUNS = 5  # each takes many seconds, and the memory of two copies


def cases(setting: Setting) -> list[Case]:
    return [_whole(setting), _links(setting), _pruned(setting), _exported(setting)]


def _whole(setting: Setting) -> Case:
    ours, session = "convert, nothing pruned", f"session and simple_save, {TENSORFLOW_2}"
    prefix, out = setting.adam_prefix, setting.result("whole")
    size = setting.bert_with_adam.num_bytes
    limits = (
        Limit(ours, "cp", 1.25),
        Limit(ours, session, 0.3, needs=TENSORFLOW_2),
        Limit(ours, None, 40 * _MIB, PEAK),
        Limit(ours, "cp and sync", None),
    )
    python = setting.peers.python(TENSORFLOW_2)
    sides = (
        Side(ours, (convert(prefix, out, "--keep-training-graph"),), makes=(out,)),
        *copies(setting, data_file(prefix)),
        None
        if python is None
        else Side(
            session,
            (program("tensorflow_convert", prefix, setting.result("session"), python=python),),
            makes=(setting.result("session"),),
            most_runs=_SESSION_RUNS,
        ),
    )
    return Case(
        "convert",
        f"convert a checkpoint of {size_text(size)} to a SavedModel, nothing pruned",
        there(sides),
        limits,
        target=6,
        datasets=(setting.bert_with_adam,),
        room=size,
        missing=missing(limits, setting.peers),
    )


def _links(setting: Setting) -> Case:
    ours = "convert --link hard --unread"
    out = setting.result("linked")
    step = convert(setting.adam_prefix, out, "--keep-training-graph", "--link", "hard", "--unread")
    limits = (Limit(ours, None, 0.15), Limit(ours, None, 40 * _MIB, PEAK))
    return Case(
        "convert-links",
        f"the same with links asked for: {size_text(setting.bert_with_adam.num_bytes)}",
        (Side(ours, (step,), makes=(out,)),),
        limits,
        target=6,
        datasets=(setting.bert_with_adam,),
    )


def _pruned(setting: Setting) -> Case:
    ours, narrow = "convert, pruned", "the same of narrow layers"
    out = setting.result("pruned")
    sides = (
        Side(ours, (convert(setting.adam_prefix, out),), makes=(out,)),
        *copies(setting, data_file(setting.bert_prefix)),
        Side(narrow, (convert(setting.narrow_adam_prefix, out),), makes=(out,)),
    )
    return _against_copies(setting, "prune", "convert", ours, narrow, sides)


def _exported(setting: Setting) -> Case:
    ours, narrow = "export to safetensors", "the same of narrow layers"
    out = setting.result("model.safetensors")
    sides = (
        Side(ours, (_export(setting.adam_prefix, out),), makes=(out,)),
        *copies(setting, data_file(setting.bert_prefix)),
        Side(narrow, (_export(setting.narrow_adam_prefix, out),), makes=(out,)),
    )
    return _against_copies(setting, "export", "export", ours, narrow, sides)


def _against_copies(
    setting: Setting, name: str, verb: str, ours: str, narrow: str, sides: tuple[Side, ...]
) -> Case:
    whole, part = setting.bert_with_adam, setting.plain_bert
    sizes = f"{size_text(whole.num_bytes)} to {size_text(part.num_bytes)}"
    limits = (
        Limit(ours, "cp", 1.25),
        # With as many variables and nodes: what does not depend on bytes is as large there.
        Limit(ours, narrow, 1.25, PEAK),
        Limit(ours, None, 40 * _MIB, PEAK),
        Limit(ours, "cp and sync", None),
    )
    return Case(
        name,
        f"{verb} without Adam's slots, {sizes}; cp is of as many bytes as come out",
        sides,
        limits,
        target=7,
        datasets=(whole, part, setting.narrow_bert_with_adam),
        room=part.num_bytes,
    )


def convert(prefix: str, out: str, *options: str) -> Command:
    return tool("convert", prefix, out, *_SIGNATURE, *options)


def _export(prefix: str, out: str) -> Command:
    return tool("export", prefix, out, "--strip-optimizer")


def copies(setting: Setting, *files: str) -> tuple[Side, ...]:
    """`cp`, and `cp` that is waited for; each into a folder that is empty."""
    out = setting.result("copy")
    made = tuple(f"{out}-{number}" for number in range(len(files)))
    copied: tuple[Command, ...] = tuple(
        ("cp", file, copy) for file, copy in zip(files, made, strict=True)
    )
    return (
        Side("cp", copied, makes=made),
        Side("cp and sync", (*copied, ("sync", *made)), makes=made),
    )
