"""Hits whose attributes say what they do: where tensors are sent, what is printed, called, mapped.

    DebugIdentity... debug_urls    : file://FOLDER, grpc://HOST:PORT
    PrintV2          output_stream : stderr, stdout, log(...), file://PATH
    EncodeProto, DecodeProtoV2     : descriptor_source local://, bytes://..., a path
    XlaCustomCall(V2)              : the target's name
    XlaCallModule    module        : see xla.py
Source: tensorflow/core/{debug/debug_io_utils.cc,kernels/logging_ops.cc}; core/util/proto.
"""

from __future__ import annotations

from tfartifacts.checks.findings import Severity
from tfartifacts.checks.scan import xla
from tfartifacts.checks.scan.capabilities import Capability, Rule
from tfartifacts.checks.scan.judging import Judge, Verdict, by_reach
from tfartifacts.checks.scan.paths import Origin, OriginKind
from tfartifacts.checks.scan.rows import Reach
from tfartifacts.model.graphs import Node
from tfartifacts.records import replace

_LOCAL = ("local://", "bytes://")


def judge_attributes(judge: Judge, node: Node, rule: Rule, reach: Reach) -> Verdict | None:
    """What is said of a node by its attributes; None: it does nothing after all.

    Raises FormatError where they are damaged.
    """
    if node.op == "XlaCallModule":
        return _module(judge, node, rule, reach)
    texts = _texts(node, rule.attr)
    if node.op == "PrintV2":
        files = [text for text in texts if text.startswith("file://")]
        if not files:
            return Verdict(Severity.NOTE, rule.does)
        severity = by_reach(reach, is_open=judge.is_open)
        return Verdict(severity, "appends to a file", files[0], Capability.WRITE_FILES)
    if rule.attr == "debug_urls":
        if not texts:
            return None
        capability = (
            Capability.WRITE_FILES
            if all(text.startswith("file://") for text in texts)
            else Capability.NETWORK
        )
        severity = by_reach(reach, is_open=judge.is_open)
        return Verdict(severity, rule.does, ", ".join(sorted(texts)[:3]), capability)
    if rule.capability is Capability.READ_FILES:
        texts = [text for text in texts if not text.startswith(_LOCAL)]
        if not texts:
            return None
        origins = frozenset(Origin(OriginKind.CONSTANT, text) for text in texts)
        return judge.judge(rule, reach, origins)
    verdict = judge.judge(rule, reach, frozenset())
    return None if verdict is None else replace(verdict, target=", ".join(texts[:3]))


def _module(judge: Judge, node: Node, rule: Rule, reach: Reach) -> Verdict:
    module = node.attrs.get("module")
    found = xla.look_at(module if isinstance(module, bytes) else b"")
    if found.is_readable and not found.has_calls:
        return Verdict(Severity.NOTE, f"{rule.does}, which calls nothing outside of it")
    severity = by_reach(reach, is_open=judge.is_open)
    if not found.is_readable:
        return Verdict(severity, f"{rule.does} that cannot be looked into")
    return Verdict(severity, "calls native code by name", ", ".join(found.targets))


def _texts(node: Node, name: str) -> list[str]:
    value = node.attrs.get(name)
    items = value if isinstance(value, list) else [value]
    texts = [
        item.decode("utf-8", "surrogateescape")
        for item in items
        if isinstance(item, bytes) and item
    ]
    return texts[:100]
