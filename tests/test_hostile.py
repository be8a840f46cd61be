"""Hostile files: an error of ours or the truth, soon, in little memory, and nothing beside.

The cases are in tests/hostile/, the verdicts of TensorFlow beside ours in docs/hostile.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile import asking, verdicts
from tests.hostile.asking import Outcome, Server
from tests.hostile.case import Case, Read, Refused
from tests.hostile.cases import BY_ID, CASES, GROUPS
from tests.judges.client import Judge


@pytest.fixture(scope="session")
def we() -> Iterator[Server]:
    with asking.ours() as server:
        yield server


@pytest.fixture(scope="session")
def recorded() -> dict[str, list[str]]:
    return verdicts.rows(verdicts.PAGE.read_text())


def test_there_are_cases_of_every_class() -> None:
    assert len(CASES) == len(BY_ID) == sum(len(group.cases) for group in GROUPS)
    assert len(CASES) > 500
    assert all(group.cases for group in GROUPS)


def test_the_page_lists_exactly_the_cases_there_are(recorded: dict[str, list[str]]) -> None:
    assert list(recorded) == [case.id for group in GROUPS for case in group.cases]
    assert {case_id: row[0] for case_id, row in recorded.items()} == {
        case.id: case.what for case in CASES
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_hostile_case_does_no_harm(
    case: Case, we: Server, recorded: dict[str, list[str]]
) -> None:
    outcome = asking.outcome_of(we, case)
    for _ in range(2):  # what else runs on the machine takes its share of a processor's time
        if outcome.seconds >= case.seconds:
            outcome = asking.outcome_of(we, case)
    assert not outcome.breaches
    assert outcome.seconds < case.seconds
    check_expected(case, outcome)
    assert recorded[case.id][2] == verdicts.ours_text(case, outcome)


def check_expected(case: Case, outcome: Outcome) -> None:
    match case.expected:
        case Refused(error, says):
            assert outcome.error == error, outcome
            assert says in outcome.message
            if error.endswith("Error") and error != "ConversionError":
                assert outcome.path
            if case.group == "table" and "an empty file" not in outcome.message:
                assert outcome.offset is not None
        case Read(contents):
            assert outcome.error is None, outcome
            if contents is not None:
                assert _shown(outcome) in (
                    dict(contents),
                    {f"node {name}": op for name, op in contents.items()},
                )


def _shown(outcome: Outcome) -> dict[str, object]:
    """Values of variables, ops of nodes."""
    return {
        name: value[2] if isinstance(value, list) else value
        for name, value in outcome.contents.items()
    }


# Asking TensorFlow all of them takes minutes: every variable we read, and a part of the rest.
SAMPLE = [
    case
    for place, case in enumerate(CASES)
    if (isinstance(case.expected, Read) and case.form == "checkpoint") or place % 5 == 0
]


def test_where_we_read_tensorflow_reads_the_same_or_nothing(
    we: Server, tensorflow_2_21: Judge, recorded: dict[str, list[str]]
) -> None:
    others: dict[str, str] = {}
    with asking.tensorflow(tensorflow_2_21.python) as server:
        for case in SAMPLE:
            told = recorded[case.id][1]
            if case.seconds > 1 or verdicts.recorded_kind(told) == "hang" or " s`" in told:
                continue
            outcome = asking.outcome_of(we, case)
            verdict = asking.verdict_of(server, case)
            relation = verdicts.relation(case, outcome, verdict)
            if relation == "read otherwise by us" and not case.reason:
                others[case.id] = f"{verdict.contents} is not {outcome.contents}"
            if verdict.kind != verdicts.recorded_kind(told):
                others[case.id] = f"{verdict.kind} ({verdict.said}), recorded as {told}"
    assert not others
