"""State files that are stale, foreign, broken: what TensorFlow makes of them before and after."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tfartifacts as tfa
from tests.judges.client import Judge, JudgeError
from tests.operations import tree
from tfartifacts.__main__ import run
from tfartifacts.checks import state_repair
from tfartifacts.checks.findings import Severity
from tfartifacts.checks.states import (
    ExaminedState,
    check_state,
    examine_state,
    state_findings,
)
from tfartifacts.formats.checkpoint_state import read_checkpoint_state, write_checkpoint_state
from tfartifacts.model.checkpoints import CheckpointState
from tfartifacts.saving import repaired_state, staging
from tfartifacts.saving.plans import Message

ALL = ("my_model-2", "my_model-3", "my_model-4")


def state(latest: str, *others: str, times: tuple[float, ...] = ()) -> bytes:
    return write_checkpoint_state(CheckpointState(latest, others, times))


def nothing(folder: Path) -> None:
    pass


def remove(*names: str) -> Callable[[Path], None]:
    def removing(folder: Path) -> None:
        for name in names:
            for path in folder.glob(f"{name}.*"):
                path.unlink()

    return removing


def copy(old: str, new: str) -> Callable[[Path], None]:
    def copying(folder: Path) -> None:
        for path in list(folder.glob(f"{old}.*")):
            target = folder / path.name.replace(old, new)
            target.parent.mkdir(exist_ok=True)
            shutil.copy(path, target)

    return copying


@dataclass(frozen=True)
class Case:
    """A state file, what is done to the folder, what is found, what a repair makes of both."""

    text: bytes | None
    found: set[str]
    latest: str = "my_model-4"
    listed: tuple[str, ...] = ALL
    do: Callable[[Path], None] = nothing
    # Whether TensorFlow gives the right latest checkpoint as it is.
    works: bool = False
    # None: those of the files.
    times: tuple[float, ...] | None = ()


CASES = {
    "in order": Case(state("my_model-4", *ALL), set(), works=True),
    "latest alone": Case(
        state("my_model-4"), {"state-unlisted"}, listed=("my_model-4",), works=True
    ),
    "missing": Case(None, {"state-missing"}, times=None),
    "empty": Case(b"", {"state-unreadable"}, times=None),
    "zeroed": Case(bytes(100), {"state-unreadable"}, times=None),
    "cut off": Case(state("my_model-4", *ALL)[:30], {"state-unreadable"}, times=None),
    "unknown field": Case(b'latest: "my_model-4"\n', {"state-unreadable"}, times=None),
    "not UTF-8": Case(b'model_checkpoint_path: "my_\xff-4"\n', {"state-unreadable"}, times=None),
    "no latest": Case(
        b'all_model_checkpoint_paths: "my_model-4"\n', {"state-unreadable"}, times=None
    ),
    "moved": Case(
        state("/old/runs/my_model-4", *(f"/old/runs/{name}" for name in ALL)),
        {"state-latest-moved", "state-entry-moved"},
    ),
    "moved, relative": Case(
        state("runs/my_model-4", *(f"runs/{name}" for name in ALL)),
        {"state-latest-moved", "state-entry-moved"},
    ),
    "Windows": Case(
        state("C:\\runs\\my_model-4", *(f"C:\\runs\\{name}" for name in ALL)),
        {"state-latest-moved", "state-entry-moved"},
    ),
    "absolute": Case(
        state("@/my_model-4", *(f"@/{name}" for name in ALL)),
        {"state-absolute"},
        works=True,
    ),
    "absolute latest of relative ones": Case(
        state("@/my_model-4", *ALL), {"state-absolute", "state-latest-unlisted"}, works=True
    ),
    "index": Case(
        state("my_model-4.index", *(f"{name}.index" for name in ALL)),
        {"state-latest-member", "state-entry-member"},
    ),
    "meta": Case(state("my_model-4.meta", *ALL[:2], "my_model-4.meta"), {"state-latest-member"}),
    "data": Case(
        state("my_model-4.data-00000-of-00001", *ALL),
        {"state-latest-member", "state-latest-unlisted"},
    ),
    "some gone": Case(
        state("my_model-4", "my_model-0", "my_model-1", *ALL[1:], times=(1, 2, 3, 4)),
        {"state-entry-gone", "state-unlisted"},
        listed=ALL[1:],
        works=True,
        times=(3, 4),
    ),
    "latest gone": Case(
        state("my_model-4", *ALL, times=(2, 3, 4)),
        {"state-latest-gone"},
        latest="my_model-3",
        listed=ALL[:2],
        do=remove("my_model-4"),
        times=(2, 3),
    ),
    "all gone": Case(
        state("model-9", "model-8", "model-9", times=(1, 2)),
        {"state-latest-gone", "state-entry-gone", "state-unlisted"},
        times=None,
    ),
    "latest not listed": Case(state("my_model-4", *ALL[:2]), {"state-latest-unlisted"}, works=True),
    "listed twice": Case(
        state("my_model-4", "my_model-4", *ALL, times=(1, 2, 3, 4)),
        {"state-duplicate"},
        works=True,
        times=(2, 3, 4),
    ),
    "in two spellings": Case(
        state("my_model-4", "./my_model-4", *ALL), {"state-duplicate"}, works=True
    ),
    "fewer times": Case(
        state("my_model-4", *ALL, times=(1,)), {"state-timestamps"}, times=None, works=True
    ),
    "pattern": Case(state("my_model-*", "my_model-*"), {"state-latest-gone", "state-unlisted"}),
    "slash at the end": Case(
        state("my_model-4/", *ALL), {"state-latest-gone", "state-latest-unlisted"}
    ),
    "below": Case(
        state("@/kept/my_model-4", "my_model-2", "kept/my_model-4"),
        {"state-absolute", "state-latest-unlisted", "state-unlisted"},
        latest="kept/my_model-4",
        listed=("my_model-2", "kept/my_model-4"),
        do=copy("my_model-4", "kept/my_model-4"),
        works=True,
    ),
}


@pytest.fixture
def runs(fixtures: Path, tmp_path: Path) -> Path:
    """A folder of three checkpoints."""
    shutil.copytree(fixtures / "digits" / "checkpoints", tmp_path / "runs")
    return tmp_path / "runs"


def put(folder: Path, text: bytes | None) -> None:
    (folder / "checkpoint").unlink(missing_ok=True)
    if text is not None:
        (folder / "checkpoint").write_bytes(text.replace(b"@", os.fsencode(folder)))


def codes(folder: Path) -> set[str]:
    return {finding.code for finding in check_state(folder)}


def faults(folder: Path) -> list[str]:
    return [each.code for each in check_state(folder) if each.severity is not Severity.NOTE]


def latest_by(judge: Judge, folder: Path) -> str | None:
    """None, too, where TensorFlow raises."""
    with suppress(JudgeError):
        return judge.latest_checkpoint(folder)
    return None


@pytest.mark.parametrize("name", CASES)
def test_tensorflow_finds_after_a_repair_what_is_there(
    tensorflow_1_15: Judge, tensorflow_2_21: Judge, runs: Path, name: str
) -> None:
    case = CASES[name]
    case.do(runs)
    put(runs, case.text)
    wanted = str(runs / case.latest)
    assert codes(runs) == case.found
    for judge in (tensorflow_1_15, tensorflow_2_21):
        found = latest_by(judge, runs)
        assert (found is not None and os.path.normpath(found) == wanted) == case.works
    before = tree(runs)
    has_error = any(each.severity is Severity.ERROR for each in check_state(runs))
    # Without a state file nothing is wrong with the checkpoints themselves.
    assert has_error == (not case.works and case.text is not None)
    repair = tfa.repair_state(runs)
    file_times = [(runs / f"{path}.index").stat().st_mtime for path in case.listed]
    times = file_times if case.times is None else list(case.times)
    for judge in (tensorflow_1_15, tensorflow_2_21):
        assert judge.latest_checkpoint(runs) == wanted
        assert judge.checkpoint_state(runs) == {
            "model_checkpoint_path": wanted,
            "all_model_checkpoint_paths": [str(runs / path) for path in case.listed]
            if name != "latest alone"
            else [],
            "all_model_checkpoint_timestamps": times,
            "last_preserved_timestamp": 0.0,
        }
    assert faults(runs) == []
    after = tree(runs)
    assert {**after, "checkpoint": None} == {**before, "checkpoint": None}
    assert repair.changes == (after.get("checkpoint") != before.get("checkpoint"))
    assert not tfa.repair_state(runs).changes
    assert tree(runs) == after


@pytest.mark.parametrize("name", ["missing", "moved", "latest gone", "listed twice", "all gone"])
def test_training_goes_on_after_a_repair(tensorflow: Judge, runs: Path, name: str) -> None:
    case = CASES[name]
    case.do(runs)
    put(runs, case.text)
    tfa.repair_state(runs)
    kept = tensorflow.train_on(runs, "my_model", [5, 6], 3)
    wanted = [*case.listed, "my_model-5", "my_model-6"][-3:]
    assert kept == [str(runs / path) for path in wanted]
    assert sorted(path.stem for path in runs.glob("*.index")) == sorted(wanted)
    assert faults(runs) == []
    assert tensorflow.latest_checkpoint(runs) == str(runs / "my_model-6")


def test_a_checkpoint_manager_goes_on_after_a_repair(tensorflow: Judge, runs: Path) -> None:
    """One that has no time is forgotten, and never deleted."""
    put(runs, CASES["fewer times"].text)
    copied = runs.parent / "copied"
    shutil.copytree(runs, copied)
    found = tensorflow.manage(copied, "my_model", 3)
    assert found["before"] == [str(copied / "my_model-2")]
    tfa.repair_state(runs)
    found = tensorflow.manage(runs, "my_model", 3)
    assert found["latest"] == str(runs / "my_model-4")
    assert found["before"] == [str(runs / name) for name in ALL]
    assert len(found["after"]) == 3


@pytest.mark.parametrize("path", ["digits/checkpoints", "lookup-table", "keras", "v1-checkpoint"])
def test_genuine_state_files_give_no_alarm(fixtures: Path, path: str) -> None:
    assert faults(fixtures / path) == []


def test_real_state_files_give_no_false_alarm(
    shared_artifacts: Path, tensorflow_2_21: Judge
) -> None:
    num = 0
    for path in sorted(shared_artifacts.rglob("checkpoint")):
        if path.is_file():
            errors = [each for each in check_state(path.parent) if each.severity is Severity.ERROR]
            assert bool(errors) == (latest_by(tensorflow_2_21, path.parent) is None), path
            num += 1
    assert num > 5


def test_where_there_are_no_checkpoints_nothing_is_said(fixtures: Path, tmp_path: Path) -> None:
    assert list(check_state(tmp_path)) == []
    assert list(check_state(tmp_path / "gone")) == []
    assert list(check_state(fixtures / "keras" / "export" / "variables")) == []
    (tmp_path / "checkpoint").write_bytes(b"PK\x03\x04data.pkl")
    assert list(check_state(tmp_path)) == []


# --- what is named, and in which order ------------------------------------------------------------


def listed(folder: Path) -> list[str]:
    return list(read_checkpoint_state((folder / "checkpoint").read_bytes()).all_paths)


def test_checkpoints_are_in_the_order_of_their_steps(runs: Path) -> None:
    copy("my_model-4", "my_model-10")(runs)
    os.utime(runs / "my_model-10.index", (1, 1))
    put(runs, None)
    tfa.repair_state(runs)
    assert listed(runs) == [*ALL, "my_model-10"]


def test_of_other_names_in_the_order_of_their_times(runs: Path) -> None:
    copy("my_model-4", "best-1")(runs)
    for number, name in enumerate(["my_model-4", "my_model-3", "best-1", "my_model-2"]):
        os.utime(runs / f"{name}.index", (number, number))
    put(runs, None)
    repair = tfa.repair_state(runs)
    assert listed(runs) == ["my_model-4", "my_model-3", "best-1", "my_model-2"]
    assert repair.state.latest_path == "my_model-2"


def test_unlisted_ones_are_added_when_asked_where_they_belong(runs: Path) -> None:
    """First of a list is what a Saver deletes first."""
    put(runs, state("my_model-3", "my_model-3", times=(3,)))
    for name in ALL:
        os.utime(runs / f"{name}.index", (int(name[-1]) * 10,) * 2)
    assert tfa.repair_state(runs).changes is False
    repair = tfa.repair_state(runs, add_unlisted=True)
    assert repair.added == ("my_model-2", "my_model-4")
    found = read_checkpoint_state((runs / "checkpoint").read_bytes())
    # The latest was recorded, and is there.
    assert found == CheckpointState("my_model-3", ALL, (20.0, 3.0, 40.0))


def test_listed_ones_stay_in_their_order(runs: Path) -> None:
    put(runs, state("my_model-2", "my_model-3", "gone", "my_model-2"))
    tfa.repair_state(runs)
    assert listed(runs) == ["my_model-3", "my_model-2"]
    tfa.repair_state(runs, add_unlisted=True)
    assert listed(runs) == ["my_model-3", "my_model-2", "my_model-4"]


def test_damaged_ones_are_not_added_nor_taken_as_the_latest(runs: Path) -> None:
    copy("my_model-4", "my_model-5")(runs)
    (runs / "my_model-5.data-00000-of-00001").unlink()
    (runs / "my_model-4.index").write_bytes(b"")
    put(runs, None)
    repair = tfa.repair_state(runs)
    assert listed(runs) == list(ALL[:2])
    assert [note for note in repair.notes if "'my_model-5'" in note and "not added" in note]
    put(runs, state("gone", *ALL, "my_model-5"))
    assert tfa.repair_state(runs).state.latest_path == "my_model-3"
    assert listed(runs) == [*ALL, "my_model-5"]


def test_shards_of_v1_are_named_as_tensorflow_finds_them(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    shutil.copytree(fixtures / "v1-checkpoint", tmp_path / "runs")
    runs = tmp_path / "runs"
    for text in (None, state("/old/shards-3-?????-of-00003"), state("shards-3-00001-of-00003")):
        put(runs, text)
        for path in runs.glob("shards-3*"):
            os.utime(path, (2e9, 2e9))
        assert latest_by(tensorflow, runs) != str(runs / "shards-3-?????-of-00003")
        assert faults(runs)
        tfa.repair_state(runs)
        assert tensorflow.latest_checkpoint(runs) == str(runs / "shards-3-?????-of-00003")
        assert faults(runs) == []


def test_a_name_that_tensorflow_takes_for_a_pattern_is_told(tensorflow: Judge, runs: Path) -> None:
    """No state file helps there."""
    for new in ("m[1]-4", "a\\b-4"):
        copy("my_model-4", new)(runs)
        put(runs, state(new, *ALL, new))
        assert latest_by(tensorflow, runs) is None
        assert codes(runs) == {"state-pattern"} | ({"state-unlisted"} if new != "m[1]-4" else set())
        tfa.repair_state(runs)
        assert faults(runs) == ["state-pattern"]
    bracketed = runs.parent / "g[1]"
    shutil.copytree(runs, bracketed)
    put(bracketed, state("my_model-4", *ALL))
    assert latest_by(tensorflow, bracketed) is None
    assert faults(bracketed) == ["state-pattern"]


def test_names_that_are_not_utf_8_cannot_be_named(runs: Path) -> None:
    copy("my_model-4", os.fsdecode(b"m\xff-9"))(runs)
    put(runs, None)
    repair = tfa.repair_state(runs)
    assert listed(runs) == list(ALL)
    assert any("its name is not UTF-8" in note for note in repair.notes)


def test_what_leads_out_is_shown_and_kept_only_on_request(
    tensorflow: Judge, runs: Path, tmp_path: Path
) -> None:
    shutil.copytree(runs, tmp_path / "elsewhere")
    remove("my_model-2", "my_model-4")(runs)
    away = str(tmp_path / "elsewhere" / "my_model-4")
    text = state(away, "../elsewhere/my_model-2", "my_model-3", away)
    put(runs, text)
    assert tensorflow.latest_checkpoint(runs) == away
    found = [(each.code, each.severity) for each in check_state(runs)]
    assert found == [("state-outside", Severity.WARNING)] * 2
    kept = tfa.repair_state(runs, follow_external=True)
    assert not kept.changes
    repair = tfa.repair_state(runs)
    assert repair.became == {
        "../elsewhere/my_model-2": None,
        "my_model-3": "my_model-3",
        away: None,
    }
    assert sum("leads out of the folder (--follow-external" in note for note in repair.notes) == 2
    assert tensorflow.latest_checkpoint(runs) == str(runs / "my_model-3")


def test_a_link_to_the_folder_is_the_folder(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(runs)
    put(runs, state(f"{tmp_path}/link/my_model-4", *(f"{tmp_path}/link/{name}" for name in ALL)))
    assert codes(runs) == {"state-absolute"}
    tfa.repair_state(runs)
    assert listed(runs) == list(ALL)


def test_another_name_of_the_file_and_the_current_folder(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(runs, state("/old/my_model-4", *ALL))
    (runs / "checkpoint").rename(runs / "latest_state")
    monkeypatch.chdir(runs)
    tfa.repair_state("latest_state")
    assert not (runs / "checkpoint").exists()
    assert read_checkpoint_state((runs / "latest_state").read_bytes()).latest_path == "my_model-4"
    tfa.repair_state("checkpoint")
    tfa.repair_state(".")
    assert listed(runs) == list(ALL)


# --- writing -------------------------------------------------------------------------------------


def test_the_old_file_is_kept_on_request_and_nowhere_else(runs: Path) -> None:
    old = state("/old/my_model-4", *ALL)
    put(runs, old)
    os.chmod(runs / "checkpoint", 0o640)
    before = set(runs.iterdir())
    tfa.repair_state(runs, backup=True)
    assert set(runs.iterdir()) - before == {runs / "checkpoint.bak"}
    assert (runs / "checkpoint.bak").read_bytes() == old
    assert stat.S_IMODE((runs / "checkpoint").stat().st_mode) == 0o640
    assert examine_state(runs).unlisted == ()
    put(runs, b"")
    with pytest.raises(tfa.DestinationExistsError) as caught:
        tfa.repair_state(runs, backup=True)
    assert caught.value.path == str(runs / "checkpoint.bak")
    assert (runs / "checkpoint").read_bytes() == b""
    assert (runs / "checkpoint.bak").read_bytes() == old


def test_a_file_that_changes_meanwhile_is_left_alone(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(runs, state("/old/my_model-4", *ALL))
    newer = state("my_model-4", *ALL)
    real = staging.check_message

    def check(path: str, message: Message) -> None:
        real(path, message)
        (runs / "checkpoint").write_bytes(newer)

    monkeypatch.setattr(repaired_state, "check_message", check)
    before = set(runs.iterdir())
    with pytest.raises(tfa.SourceChangedError, match="changed since it was looked at"):
        tfa.repair_state(runs, backup=True)
    assert (runs / "checkpoint").read_bytes() == newer
    assert set(runs.iterdir()) == before


def test_a_link_in_its_place_is_not_replaced(runs: Path, tmp_path: Path) -> None:
    put(runs, state("/old/my_model-4", *ALL))
    (runs / "checkpoint").rename(tmp_path / "state")
    (runs / "checkpoint").symlink_to(tmp_path / "state")
    with pytest.raises(tfa.DestinationExistsError, match="expected the state file itself"):
        tfa.repair_state(runs)
    assert (runs / "checkpoint").is_symlink()


def test_a_dry_run_writes_nothing(runs: Path) -> None:
    put(runs, state("/old/my_model-4", *ALL))
    before = tree(runs)
    assert tfa.repair_state(runs, dry_run=True).changes
    assert tree(runs) == before


FOREIGN = {
    "a V1 checkpoint": lambda runs: shutil.copy(runs / "my_model-4.index", runs / "checkpoint"),
    "a graph": lambda runs: shutil.copy(runs / "my_model-4.meta", runs / "checkpoint"),
    "PyTorch": lambda runs: (runs / "checkpoint").write_bytes(b"PK\x03\x04data.pkl"),
    "JSON": lambda runs: (runs / "checkpoint").write_bytes(b'{"epoch": 3}'),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_is_something_else_is_never_replaced(runs: Path, case: str) -> None:
    FOREIGN[case](runs)
    before = tree(runs)
    with pytest.raises(tfa.NotThisFormatError, match="expected a checkpoint state file"):
        tfa.repair_state(runs)
    for name in ("my_model-4.meta", "my_model-4.index", "my_model-4.data-00000-of-00001"):
        with pytest.raises(tfa.NotThisFormatError, match="expected a checkpoint state file"):
            tfa.repair_state(runs / name)
    assert tree(runs) == before
    (found,) = check_state(runs)
    assert (found.code, found.severity) == ("state-unreadable", Severity.WARNING)


def test_a_v1_checkpoint_of_that_name_is_no_fault(fixtures: Path, tmp_path: Path) -> None:
    shutil.copy(fixtures / "v1-checkpoint" / "model-3", tmp_path / "checkpoint")
    assert list(check_state(tmp_path)) == []


def test_without_a_checkpoint_to_name_nothing_is_written(runs: Path) -> None:
    remove(*ALL)(runs)
    before = tree(runs)
    with pytest.raises(tfa.PathNotFoundError, match="found no checkpoint that is whole"):
        tfa.repair_state(runs)
    assert tree(runs) == before


paths = st.sampled_from(
    [
        *ALL,
        "./my_model-2",
        "gone",
        "/old/my_model-3",
        "C:\\my_model-4",
        "my_model-3.index",
        ".",
        "/",
    ]
) | st.text(min_size=1, max_size=8)


@given(paths, st.lists(paths, max_size=4), st.lists(st.floats(), max_size=4), st.booleans())
def test_any_state_is_repaired_to_one_without_fault(
    fixtures: Path, latest: str, others: list[str], times: list[float], add: bool
) -> None:
    """Of the folder of fixtures nothing is written: what would be is looked at in its place."""
    folder = str(fixtures / "digits" / "checkpoints")
    made = CheckpointState(latest, tuple(others), tuple(times))
    try:
        text = write_checkpoint_state(made)
        read_checkpoint_state(text)
    except (UnicodeEncodeError, tfa.FormatError):
        return
    examined = examined_as(folder, text)
    list(state_findings(examined))
    repair = state_repair.repaired(examined, add_unlisted=add)
    again = examined_as(folder, repair.data)
    assert all(each.severity is Severity.NOTE for each in state_findings(again))
    assert not state_repair.repaired(again).changes
    assert repair.state.latest_path in (repair.state.all_paths or (repair.state.latest_path,))


def examined_as(folder: str, text: bytes) -> ExaminedState:
    """As if that were the text of the folder's state file."""
    with mock.patch("tfartifacts.checks.states.read_file", return_value=text):
        return examine_state(folder)


# --- the command ---------------------------------------------------------------------------------


def test_the_command_shows_and_repairs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(runs, state("/old/my_model-9", "/old/my_model-3", "my_model-4", times=(1, 1700000000)))
    before = tree(runs)
    assert run(["state", str(runs)]) == 1
    printed = capsys.readouterr().out
    assert printed == (
        f"State file {runs}/checkpoint\n"
        "  latest        /old/my_model-9, after repair my_model-4\n"
        "\n"
        "Entries\n"
        "  before           after repair  saved (UTC)\n"
        "  ---------------  ------------  -------------------  -----------------------\n"
        "  /old/my_model-3  my_model-3    1970-01-01 00:00:01\n"
        "  my_model-4       my_model-4    2023-11-14 22:13:20\n"
        "  /old/my_model-9  dropped                            latest, gone\n"
        "                                                      1 checkpoint not listed\n"
        "\n"
        "Found\n"
        "  error    found '/old/my_model-9' as the latest, which is not there "
        "[state-latest-gone]\n"
        "  warning  found '/old/my_model-3', which is not there, but my_model-3 beside the file "
        "[state-entry-moved]\n"
        "  warning  found '/old/my_model-9' as the latest, expected it among all paths, as the "
        "last [state-latest-unlisted]\n"
        "  note     found 'my_model-2', which the state file does not name; --add-unlisted lists "
        "them [state-unlisted]\n"
        "\n"
        "Repair\n"
        "  dropped: '/old/my_model-9', which is not there\n"
        "  the latest is 'my_model-4' now, the last of those that are there\n"
        "  note: --fix repairs it\n"
    )
    assert run(["state", str(runs), "--fix", "--dry-run"]) == 1
    assert "nothing was written (--dry-run)" in capsys.readouterr().out
    assert tree(runs) == before
    assert run(["state", str(runs), "--fix", "--backup"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"Repaired state file {runs}/checkpoint\n")
    assert f"backup        {runs}/checkpoint.bak" in printed
    assert run(["state", str(runs), "--fix"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("State file ")
    assert "TensorFlow finds the latest checkpoint" in printed


def test_json_says_the_same(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(runs, b"nonsense")
    assert run(["state", str(runs), "--json"]) == 4
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    assert document["kind"] == "checkpoint-state"
    assert document["state"] is None
    assert [finding["code"] for finding in document["findings"]] == ["state-unreadable"]
    assert document["repaired"]["all_paths"] == document["added"] == list(ALL)
    assert document["changes"]
    assert not document["fixed"]
    assert run(["state", str(runs), "--json", "--fix"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["fixed"]
    assert any("dropped: all that the file said" in note for note in document["notes"])


def bad_inputs(runs: Path) -> Iterator[tuple[list[str], int, str]]:
    yield [str(runs / "gone")], 3, "expected a folder of checkpoints or its state file"
    yield [str(runs / "my_model-4.meta"), "--fix"], 3, "found a MetaGraphDef, expected"
    yield [str(runs), "--dry-run"], 2, "found --dry-run, expected it with --fix"
    (runs / "checkpoint").unlink()
    (runs / "checkpoint").mkdir()
    yield [str(runs), "--fix"], 3, "found no regular file"
    (runs / "checkpoint").rmdir()
    os.mkfifo(runs / "checkpoint")
    yield [str(runs), "--fix"], 3, "found no regular file"
    (runs / "checkpoint").unlink()
    remove(*ALL)(runs)
    yield [str(runs), "--fix"], 3, "found no state file, and no checkpoint beside"


def test_bad_input_is_told(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, code, said in bad_inputs(runs):
        assert run(["state", *arguments]) == code
        captured = capsys.readouterr()
        assert said in captured.err
        assert not captured.out


def test_one_that_names_nothing_is_shown_and_cannot_be_repaired(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remove(*ALL)(runs)
    assert run(["state", str(runs)]) == 1
    assert "found no checkpoint that is whole" in capsys.readouterr().out
    assert run(["state", str(runs), "--fix"]) == 3
    assert "found no checkpoint that is whole" in capsys.readouterr().err


def test_paths_are_never_printed_raw(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(runs, state("\x1b[31m\u202e-9", *ALL))
    assert run(["state", str(runs)]) == 1
    printed = capsys.readouterr().out
    assert "\\x1b[31m\\u202e-9" in printed
    assert "\x1b" not in printed
    assert "\u202e" not in printed
