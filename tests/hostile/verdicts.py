"""The verdicts side by side: `python -m tests.hostile.verdicts` writes docs/hostile.md.

Asks TensorFlow 2.21 and 1.15, where they are installed (see tests/judges), and us, for each case.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from tests.hostile import asking
from tests.hostile.asking import Outcome, Verdict, is_same
from tests.hostile.case import Case
from tests.hostile.cases import CASES, GROUPS
from tests.judges import installations
from tests.judges.client import PROJECT
from tfartifacts.report.escape import printable

PAGE = PROJECT / "docs" / "hostile.md"

_MOST = 130  # characters of a message
_CELL = re.compile(r"(?<!\\)\|")
# Addresses, times and numbers of threads differ from run to run; build paths say nothing.
_PASSING = (
    (re.compile(r"F\d{4} [\d:.]+\s+\d+ "), ""),
    (re.compile(r"0x[0-9a-f]{6,}"), "0x..."),
    (re.compile(r"<(\S+) object at [^>]*>"), r"<\1>"),
    (re.compile(r"F \S*/(\w+\.(cc|h):\d+)"), r"\1"),
    (re.compile(r"\d{4}-\d\d-\d\d [\d:.]+: "), ""),
)

INTRODUCTION = """\
# Hostile files

Files that are made to do harm: their checksums are right, their contents are not. Below are {cases}
of them, each with what TensorFlow {version} does with it and what tfartifacts does. TensorFlow is
asked in a child process with 40 s and 6 GB; it reads every tensor (`CheckpointReader`, or the op
`RestoreV2` where that refuses), imports a graph, loads a SavedModel by both of its loaders, or
follows a state file. tfartifacts opens the artifact, describes all of it, reads every value, tries
to convert it and copies a SavedModel, within a second of the processor and 200 MiB for all but the
largest cases, while an audit hook sees to it that no file outside of the case is opened and nothing
is written.

The cases are in `tests/hostile/`; `python -m tests.hostile.verdicts` writes this page, and
`tests/test_hostile.py` holds it to what happens now.

## Together

{totals}

An error is an exception of Python: a program can go on. A crash ends the process: TensorFlow aborts
at a check of its own (`Check failed`), or reads or writes outside of its memory. "Accepted, as
ours" is read alike by both. "Accepted, refused by us" is a file that TensorFlow reads although a
part of it breaks the rules of its format, or although it leads out of the artifact. "Accepted, read
otherwise by us" is told with its reason. tfartifacts reads {more} cases that TensorFlow {version}
does not: mostly graphs that can be shown though they cannot be run, which is for `verify` to say.

Links: a checkpoint or SavedModel whose own members are links is read as TensorFlow reads it, for
caches of models are made of links, if they lead to regular files. Names *in* a file (state file,
assets) are not followed out of the artifact unless asked for (`--follow-external`), and no link
brings a file from outside into a copy.
"""


def ours_text(case: Case, outcome: Outcome) -> str:
    """Our column of a case."""
    if outcome.error is not None:
        stage = {"copy": " to copy"}.get(outcome.stage or "", "")
        text = f"refused{stage}: {code(f'{outcome.error}: {outcome.message}')}"
    else:
        text = f"read: {contents_text(outcome.contents)}"
    return f"{text} ({case.reason})" if case.reason else text


def contents_text(contents: Mapping[str, object]) -> str:
    if not contents:
        return "nothing"
    shown = []
    for name, value in list(contents.items())[:2]:
        if isinstance(value, list) and len(value) == 4:
            values = ", ".join(str(element) for element in value[2][:3])
            more = ", ..." if len(value[2]) > 3 else ""
            shown.append(code(f"{name[:40]} = {values}{more}"))
        else:
            shown.append(code(name[:40]))
    if len(contents) > 2:
        shown.append(f"and {len(contents) - 2} more")
    return ", ".join(shown)


def theirs_text(verdict: Verdict) -> str:
    match verdict.kind:
        case "accepted" if verdict.said == "accepted":
            return f"accepted: {contents_text(verdict.contents)}"
        case "error":
            return code(verdict.said)
        case _:
            return f"**{verdict.kind}**: {code(verdict.said)}"


def code(text: str) -> str:
    """Text out of a file or of TensorFlow, as code in a cell of a table."""
    for pattern, instead in _PASSING:
        text = pattern.sub(instead, text)
    text = " ".join(printable(text).split())
    if len(text) > _MOST:
        text = text[: _MOST - 3] + "..."
    return "`" + text.replace("`", "'").replace("|", "\\|") + "`"


def relation(case: Case, outcome: Outcome, verdict: Verdict) -> str:
    """A column of the totals."""
    if verdict.kind != "accepted":
        return verdict.kind
    if outcome.error is not None:
        return "refused by us"
    same = is_same(outcome.contents, verdict.contents, case.form)
    return "as ours" if same else "read otherwise by us"


COLUMNS = {
    "error": "error",
    "as ours": "accepted, as ours",
    "refused by us": "accepted, refused by us",
    "read otherwise by us": "accepted, read otherwise by us",
    "crash": "crash",
    "hang": "no end in 40 s",
}


def totals(
    outcomes: Mapping[str, Outcome], verdicts: Mapping[str, Mapping[str, Verdict]]
) -> list[str]:
    lines = [
        "| | " + " | ".join(COLUMNS.values()) + " |",
        "|---|" + "---:|" * len(COLUMNS),
    ]
    for version, given in verdicts.items():
        counted = Counter(relation(case, outcomes[case.id], given[case.id]) for case in CASES)
        cells = " | ".join(str(counted[key]) for key in COLUMNS)
        lines.append(f"| TensorFlow {version} | {cells} |")
    refused = sum(outcome.error is not None for outcome in outcomes.values())
    own = [str(refused), str(len(CASES) - refused), "", "", "0", "0"]
    lines.append("| tfartifacts | " + " | ".join(own) + " |")
    return lines


def page(outcomes: Mapping[str, Outcome], verdicts: Mapping[str, Mapping[str, Verdict]]) -> str:
    """The page: `verdicts` by version, the first of which has a column."""
    first = next(iter(verdicts))
    more = sum(
        outcome.error is None and verdicts[first][case_id].kind != "accepted"
        for case_id, outcome in outcomes.items()
    )
    lines = [
        INTRODUCTION.format(
            cases=len(CASES),
            version=first,
            totals="\n".join(totals(outcomes, verdicts)),
            more=more,
        )
    ]
    for group in GROUPS:
        lines += [
            f"## {group.about}",
            "",
            f"| case | what | TensorFlow {first} | tfartifacts |",
            "|---|---|---|---|",
        ]
        for case in group.cases:
            theirs = theirs_text(verdicts[first][case.id])
            for version, given in list(verdicts.items())[1:]:
                kind = given[case.id].kind
                if kind != verdicts[first][case.id].kind:
                    theirs += f" ({version}: {kind})"
            lines.append(
                f"| {case.id} | {case.what} | {theirs} | {ours_text(case, outcomes[case.id])} |"
            )
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def rows(text: str) -> dict[str, list[str]]:
    """The cells of each case's row in a page, by its id: what, theirs, ours."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in _CELL.split(line)[1:-1]]
        if len(cells) == 4 and "/" in cells[0]:
            assert cells[0] not in found, f"{cells[0]} is there twice"
            found[cells[0]] = cells[1:]
    return found


def recorded_kind(theirs: str) -> str:
    """The kind of verdict that a row tells."""
    match = re.match(r"\*\*(\w+)\*\*|(accepted)", theirs)
    return (match[1] or match[2]) if match else "error"


def main(versions: Sequence[str] = ("2.21", "1.15")) -> int:
    with asking.ours() as server:
        outcomes = {case.id: asking.outcome_of(server, case) for case in CASES}
    verdicts: dict[str, dict[str, Verdict]] = {}
    for installation in installations.INSTALLATIONS[::-1]:
        python, reason = installations.find(installation)
        if installation.version not in versions:
            continue
        if python is None:
            sys.stderr.write(f"{reason}\n")
            return 1
        with asking.tensorflow(str(python)) as server:
            verdicts[installation.version] = {
                case.id: asking.verdict_of(server, case) for case in CASES
            }
    PAGE.write_text(page(outcomes, verdicts))
    wrong = [
        case.id
        for case in CASES
        if not case.reason
        and any(
            relation(case, outcomes[case.id], given[case.id]) == "read otherwise by us"
            for given in verdicts.values()
        )
    ]
    for case_id in wrong:
        sys.stderr.write(f"{case_id}: read otherwise, without a reason\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
