"""What `verify` found, as a document and as blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tfartifacts.report.blocks import Block, Command, Facts, Heading
from tfartifacts.report.finding_blocks import describe_finding, finding_rows, findings_blocks
from tfartifacts.report.formats import Presentation
from tfartifacts.report.layout import Layout
from tfartifacts.report.units import count, counted, size
from tfartifacts.report.view import Document

if TYPE_CHECKING:
    from tfartifacts.checks.checkpoints import CheckedCheckpoint
    from tfartifacts.checks.verify import Verification

SCHEMA = 1


def describe_verification(verification: Verification) -> Document:
    """The document: verdict, counts, all findings, and of each checkpoint what is intact."""
    counts = Counter(finding.severity.value for finding in verification.findings)
    return {
        "schema": SCHEMA,
        "kind": verification.kind,
        "path": verification.path,
        "verdict": _verdict(verification),
        "num_errors": counts["error"],
        "num_warnings": counts["warning"],
        "num_notes": counts["note"],
        "findings": [describe_finding(finding) for finding in verification.findings],
        "checkpoints": [_checkpoint(checked) for checked in verification.checkpoints],
    }


def _verdict(verification: Verification) -> str:
    if not verification.is_readable:
        return "unreadable"
    return "clean" if verification.is_clean else "errors"


def _checkpoint(checked: CheckedCheckpoint) -> Document:
    return {
        "prefix": checked.prefix,
        "format": checked.format,
        "num_blocks": checked.num_blocks,
        "num_tensors": checked.num_tensors,
        "nbytes": checked.nbytes,
        "intact": list(checked.intact),
        "damaged": list(checked.damaged),
    }


def verification_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    """The verdict first, what was looked at, then the findings, and what to do."""
    yield Heading(f"{document['path']}: {_verdict_in_words(document)}", 1)
    checkpoints = document["checkpoints"]
    yield Facts([("checked", _checked(checkpoints))])
    yield from findings_blocks(document["findings"], layout)
    for checkpoint in checkpoints:
        if checkpoint["damaged"] and checkpoint["intact"]:
            yield _salvage(checkpoint)
        elif any(_is_of_block(finding, checkpoint["prefix"]) for finding in document["findings"]):
            # Most indexes are one block, which a flipped bit takes away with all names.
            words = ("tfartifacts", "salvage", checkpoint["prefix"], "DESTINATION")
            title = "To keep the tensors that fit their own checksums, by names that nothing checks"
            yield Command(title, (*words, "--unchecked-names"))
    if any(_is_of_state_file(finding) for finding in document["findings"]):
        words = ("tfartifacts", "state", document["path"], "--fix")
        yield Command("To repair the state file", words)


def _verdict_in_words(document: Document) -> str:
    counts = [(document[f"num_{word}s"], word) for word in ("error", "warning", "note")]
    found = ", ".join(counted(number, word) for number, word in counts if number)
    if document["verdict"] == "clean":
        return f"no errors, {found}" if found else "clean"
    return f"unreadable, {found}" if document["verdict"] == "unreadable" else found


def _is_of_block(finding: Document, prefix: str) -> bool:
    return (finding["code"], finding["path"]) == ("block-checksum", prefix + ".index")


def _is_of_state_file(finding: Document) -> bool:
    code: str = finding["code"]
    return finding["severity"] != "note" and code.startswith("state-")


def _checked(checkpoints: Sequence[Document]) -> str:
    if not checkpoints:
        return ""
    tensors = sum(checkpoint["num_tensors"] for checkpoint in checkpoints)
    nbytes = sum(checkpoint["nbytes"] for checkpoint in checkpoints)
    where = f" in {counted(len(checkpoints), 'checkpoint')}" if len(checkpoints) > 1 else ""
    return f"{counted(tensors, 'tensor')}, {size(nbytes)}{where}"


def _salvage(checkpoint: Document) -> Command:
    intact = len(checkpoint["intact"])
    total = intact + len(checkpoint["damaged"])
    return Command(
        f"To keep the {count(intact)} of {count(total)} variables that are intact",
        ("tfartifacts", "salvage", checkpoint["prefix"], "DESTINATION"),
    )


PRESENTATION = Presentation(verification_blocks, finding_rows)
