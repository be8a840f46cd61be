"""The benchmarks' own work: figures, verdicts, JSON, tables, documents, runs. No time is tested."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import catalogue
from benchmarks.measuring.cases import ANONYMOUS, PEAK, Case, Limit, Side
from benchmarks.measuring.figures import (
    MET,
    MISSED,
    NOT_MEASURED,
    TOLD,
    growth_of,
    is_superlinear,
    judge,
    worst_growth,
    worst_slope,
)
from benchmarks.measuring.processes import RunFailedError, Spawner
from benchmarks.measuring.results import (
    CaseResult,
    Curve,
    LimitResult,
    Point,
    Results,
    Run,
    SideResult,
    from_json,
    to_json,
)
from benchmarks.measuring.turns import measure, not_measured
from benchmarks.peers import Peers
from benchmarks.scaling import works
from benchmarks.showing.documents import BEGIN, END, region, replaced
from benchmarks.showing.rows import counted, seconds_text
from benchmarks.showing.text import case_text, curve_text
from benchmarks.targets.setting import Setting
from tests.conftest import PROJECT

MIB = 2**20


def runs(*seconds: float, peak: int = 10 * MIB) -> tuple[Run, ...]:
    return tuple(Run(one, one, peak, peak // 2) for one in seconds)


def case(*limits: LimitResult, sides: tuple[SideResult, ...] = ()) -> CaseResult:
    return CaseResult("work", "the work", 5, sides, limits)


OURS = SideResult("ours", runs(1.0, 2.0, 9.0))
THEIRS = SideResult("theirs", runs(10.0, 10.0, 10.0))
RATIO = LimitResult("ours", "theirs", "seconds", 0.5)


def test_a_ratio_is_the_median_of_the_pairs_ratios_not_of_the_medians() -> None:
    theirs = SideResult("theirs", runs(1.0, 20.0, 90.0))
    judged = judge(case(sides=(OURS, theirs)), RATIO)
    # 1/1, 2/20, 9/90; the medians' ratio would be 2/20.
    assert (judged.lowest, judged.median, judged.highest) == (0.1, 0.1, 1.0)
    assert judged.num_pairs == 3


@pytest.mark.parametrize(("at_most", "verdict"), [(0.2, MET), (0.19, MISSED), (None, TOLD)])
def test_a_limit_is_met_missed_or_only_told(at_most: float | None, verdict: str) -> None:
    judged = judge(case(sides=(OURS, THEIRS)), replace(RATIO, at_most=at_most))
    assert judged.median == 0.2
    assert judged.verdict == verdict


def test_a_side_with_fewer_runs_is_compared_with_the_first_ones() -> None:
    few = SideResult("theirs", runs(2.0))
    judged = judge(case(sides=(OURS, few)), RATIO)
    assert (judged.median, judged.num_pairs) == (0.5, 1)


def test_a_peer_that_is_not_there_leaves_its_limit_unmeasured() -> None:
    limit = replace(RATIO, to="other", needs="Other 1.0")
    assert judge(case(sides=(OURS,)), limit).verdict == NOT_MEASURED
    assert "not measured: no Other 1.0" in case_text(case(limit, sides=(OURS,)))


def test_memory_has_to_hold_for_the_largest_of_all_runs() -> None:
    side = SideResult("ours", (*runs(1, 1, peak=10 * MIB), *runs(1, peak=30 * MIB)))
    judged = judge(case(sides=(side,)), LimitResult("ours", None, PEAK, 25 * MIB))
    assert (judged.median, judged.verdict) == (30 * MIB, MISSED)
    judged = judge(case(sides=(side,)), LimitResult("ours", None, ANONYMOUS, 15 * MIB))
    assert judged.verdict == MET


def test_memory_is_compared_with_memory() -> None:
    large, small = (SideResult(name, runs(1, peak=peak)) for name, peak in (("a", 30), ("b", 20)))
    judged = judge(case(sides=(large, small)), LimitResult("a", "b", PEAK, 1.5))
    assert (judged.median, judged.verdict) == (1.5, MET)


def curve(*costs: float, start: int = 1_000) -> Curve:
    points = tuple(Point(start * 10**i, runs(one)) for i, one in enumerate(costs))
    return Curve("inspect", "variables", False, points)


def test_linear_growth_has_slope_one() -> None:
    assert worst_slope(curve(1.0, 10.0, 100.0)) == pytest.approx(1.0)
    assert worst_growth(curve(1.0, 10.0, 100.0)) == pytest.approx(10.0)


def test_quadratic_growth_is_found_behind_the_cost_of_starting() -> None:
    found = curve(0.1, 0.1, 0.2, 10.0)
    assert worst_growth(found) == pytest.approx(50.0)
    assert is_superlinear(found)
    assert "MORE THAN 16" in curve_text(found)


def test_growth_between_sizes_that_are_not_ten_times_apart_is_scaled() -> None:
    four_times = (Point(100, runs(1.0)), Point(400, runs(16.0)))
    assert growth_of(*four_times) == pytest.approx(100.0)


def test_what_costs_the_same_at_each_size_does_not_grow() -> None:
    assert worst_growth(curve(0.1, 0.1, 0.11)) is None
    assert not is_superlinear(curve(0.1, 0.1, 0.11))


def test_noise_does_not_slow_a_curve_down() -> None:
    noisy = Curve("list", "variables", True, (Point(1, runs(1.0)), Point(10, runs(99.0, 9.0))))
    assert worst_growth(noisy) == pytest.approx(9.0)


def results(quick: bool = False) -> Results:
    memory = LimitResult("ours", None, PEAK, 32 * MIB)
    told = LimitResult("ours", "theirs", "seconds", None)
    absent = LimitResult("ours", "Other", "seconds", 2.0, "Other 1.0")
    found = CaseResult(
        "work", "the work | all", 5, (OURS, THEIRS), (RATIO, memory, told, absent), ("Other 1.0",)
    )
    more = CaseResult("more", "other work", None, (OURS, THEIRS), (told,), note="a note")
    failed = CaseResult("failed", "no work", 6, (), (RATIO,), failure="no room")
    return Results(
        "2026-01-02T03:04:05+00:00",
        quick,
        3,
        {"processor": "2 x some", "Python": "3.11"},
        (found, more, failed),
        (curve(1.0, 10.0), Curve("scan", "functions", False, (), "it failed")),
        ("Other 1.0",),
    )


def test_json_loses_nothing_and_says_what_was_found() -> None:
    plain = json.loads(json.dumps(to_json(results())))
    assert from_json(plain) == results()
    assert plain["schema"] == 1
    limits = plain["cases"][0]["limits"]
    assert [limit["verdict"] for limit in limits] == [MET, MET, TOLD, NOT_MEASURED]
    assert limits[0]["median"] == 0.2
    assert plain["curves"][0]["growth_of_ten_times"] == pytest.approx(10.0)


def test_json_of_another_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="found schema 0, expected 1"):
        from_json({**to_json(results()), "schema": 0})


def test_what_is_met_and_missed_is_counted() -> None:
    found = results()
    assert counted(found.cases, ()) == "2 limits met, 0 MISSED, 2 not measured"
    assert counted(found.cases, found.curves).endswith(
        "; 0 of 2 curves grow with more than the size"
    )


def test_the_region_has_each_target_its_ratio_spread_and_runs() -> None:
    text = region(results(), ["variables.svg"], "performance")
    row = "| 5 | the work \\| all | theirs | 0.2 x | 0.1 x to 0.9 x | 3 | 0.5 x | met |"
    assert row in text
    assert "|  |  | peak memory | 10.0 MiB |" in text
    assert "not measured: no Other 1.0" in text
    assert "`failed` left out: no room" in text
    assert "| 11 | everything: cost grows linearly |" in text
    assert "![time and peak memory against variables](performance/variables.svg)" in text
    assert "Measured 2026-01-02" in text
    assert "| processor | 2 x some |" in text
    assert "quick" not in text


def test_a_quick_run_says_so_in_the_region() -> None:
    assert "**A quick run with small data" in region(results(quick=True), [], "performance")


def test_only_the_region_between_the_marks_is_replaced() -> None:
    page = f"# By hand\n\n{BEGIN}\n\nold\n\n{END}\n\n## More by hand\n"
    once = replaced(page, "new")
    assert once == f"# By hand\n\n{BEGIN}\n\nnew\n\n{END}\n\n## More by hand\n"
    assert replaced(once, "new") == once


@pytest.mark.parametrize("page", ["", BEGIN, END + BEGIN, f"{BEGIN}{BEGIN}{END}"])
def test_a_page_without_the_marks_is_not_written(page: str) -> None:
    with pytest.raises(ValueError, match="expected one"):
        replaced(page, "new")


def test_the_page_in_docs_has_the_marks() -> None:
    page = (PROJECT / "docs" / "performance.md").read_text("utf-8")
    assert replaced(page, "new") != page


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12e-6, "12 us"), (0.0123, "12.3 ms"), (0.9, "900 ms"), (1.5, "1.50 s"), (61.0, "61.00 s")],
)
def test_seconds_as_people_read_them(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code)


def test_memory_told_is_the_process_own_and_not_of_who_measures(tmp_path: Path) -> None:
    ballast = bytearray(100 * MIB)
    with Spawner(str(tmp_path)) as spawner:
        small = spawner.run(Side("small", (python("pass"),)))
        large = spawner.run(Side("large", (python(f"b'x' * {60 * MIB}"),)))
    assert small.peak_bytes < 40 * MIB
    assert large.peak_bytes > 60 * MIB
    assert len(ballast) == 100 * MIB


def test_all_steps_count_together_and_the_largest_memory(tmp_path: Path) -> None:
    steps = (python("open('first', 'w')"), python("open('first'); open('second', 'w')"))
    with Spawner(str(tmp_path)) as spawner:
        spawner.run(Side("both", steps, makes=("first", "second")))
        assert {path.name for path in tmp_path.iterdir()} == {"first", "second"}


def test_what_a_side_makes_is_removed_before_it_runs_and_in_the_end(tmp_path: Path) -> None:
    code = "import os; os.mkdir('made'); open('made/file', 'w')"
    side = Side("ours", (python(code),), makes=("made",))
    result = measure(Case("c", "c", (side,), ()), 3, str(tmp_path))
    assert result.failure == ""
    assert len(result.sides[0].runs) == 3
    assert list(tmp_path.iterdir()) == []


def test_time_in_process_is_what_the_process_says(tmp_path: Path) -> None:
    line = '{"seconds": 12.5, "anonymous_bytes": 7}'
    side = Side("ours", (python(f"print('noise'); print('{line}')"),), in_process=True)
    with Spawner(str(tmp_path)) as spawner:
        run = spawner.run(side)
    assert (run.seconds, run.anonymous_bytes) == (12.5, 7)


def test_a_side_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    broken = Side("broken", (python("raise SystemExit('no such thing')"),))
    with Spawner(str(tmp_path)) as spawner:
        with pytest.raises(RunFailedError, match="broken: exit code 1: no such thing"):
            spawner.run(broken)
        with pytest.raises(RunFailedError, match="absent"):
            spawner.run(Side("absent", (("/no/such/program",),)))
        spawner.run(replace(broken, exit_codes=(0, 1)))
    result = measure(Case("c", "c", (broken,), ()), 3, str(tmp_path))
    assert "no such thing" in result.failure
    assert "left out: broken" in case_text(result)


def test_an_expensive_side_runs_less_often(tmp_path: Path) -> None:
    cheap = Side("ours", (python("pass"),))
    expensive = Side("theirs", (python("open('log', 'a').write('.')"),), most_runs=2)
    limit = Limit("ours", "theirs", None)
    result = measure(Case("c", "c", (cheap, expensive), (limit,)), 4, str(tmp_path))
    assert [len(side.runs) for side in result.sides] == [4, 2]
    assert (tmp_path / "log").read_text() == ".."
    assert judge(result, result.limits[0]).num_pairs == 2


def settings(tmp_path: Path, *, with_peers: bool = True) -> Setting:
    names = ("TensorFlow 2.21", "TensorFlow 1.15", "safetensors", "tensorflow-checkpoint-reader")
    found = dict.fromkeys(names, sys.executable)
    return Setting(str(tmp_path), Peers(found if with_peers else {}))


@pytest.mark.parametrize("with_peers", [True, False])
def test_every_target_has_a_case_and_limits_name_sides(tmp_path: Path, with_peers: bool) -> None:
    setting = settings(tmp_path, with_peers=with_peers)
    cases = catalogue.all_cases(setting)
    assert {one.target for one in cases} >= set(range(1, 11))
    assert len({one.name for one in cases}) == len(cases)
    for one in cases:
        names = [side.name for side in one.sides]
        assert len(set(names)) == len(names)
        for limit in one.limits:
            assert limit.of in names
            if limit.to is not None and limit.to not in names:
                assert not with_peers
                assert limit.needs in one.missing
    assert {axis.name for axis in works.axes(setting)} >= {
        *("variables", "shards", "slices", "nodes", "bytes", "signatures", "functions")
    }


def test_names_and_groups_choose_cases(tmp_path: Path) -> None:
    setting = settings(tmp_path)
    cases, axes = catalogue.all_cases(setting), works.axes(setting)

    def names(*asked: str) -> list[str]:
        found = catalogue.chosen(list(asked), cases, axes)
        return [one.name for one in found[0]] + [axis.name for axis in found[1]]

    assert names("verify") == ["verify"]
    assert names("target-3", "list") == ["list", "list-million"]
    assert names("scaling-nodes") == ["nodes"]
    assert names("scaling") == names("target-11")
    assert len(names()) == len(cases) + len(axes)
    with pytest.raises(ValueError, match=r"no benchmark 'verfy'; there are: .*verify"):
        names("verfy")


def test_a_case_without_room_says_so() -> None:
    side = Side("ours", (("true",),))
    result = not_measured(Case("c", "a case", (side,), (Limit("ours", None, 1),)), "no room")
    assert judge(result, result.limits[0]).verdict == NOT_MEASURED
    assert "left out: no room" in case_text(result)


def run_command(*arguments: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    variables = ("TENSORFLOW_2_21", "TENSORFLOW_1_15", "CHECKPOINT_READER")
    absent = {f"TFARTIFACTS_{name}": "/nowhere/python" for name in variables}
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "--data", str(tmp_path / "data"), *arguments],
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin", **absent},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_list_names_what_can_be_measured(tmp_path: Path) -> None:
    completed = run_command("--quick", "--list", tmp_path=tmp_path)
    assert completed.returncode == 0, completed.stderr
    for name in ("inspect", "verify", "convert", "scaling-variables", "targets", "target-11"):
        assert f"\n{name} " in "\n" + completed.stdout
    assert not (tmp_path / "data").exists()
    assert run_command("verfy", tmp_path=tmp_path).returncode == 2


def test_a_quick_run_measures_and_names_peers_that_are_missing(tmp_path: Path) -> None:
    saved = tmp_path / "runs.json"
    completed = run_command("--quick", "list", "verify", "--json", str(saved), tmp_path=tmp_path)
    assert completed.returncode == 0, completed.stderr
    assert "quick: small data" in completed.stdout
    assert "TensorFlow 2.21 is not installed, left out" in completed.stdout
    found = from_json(json.loads(saved.read_text()))
    assert [one.name for one in found.cases] == ["list", "verify"]
    assert {len(side.runs) for one in found.cases for side in one.sides} == {3}
    assert "TensorFlow 2.21" in found.missing
    assert found.machine["file system"]
    # What was measured is shown again without measuring, from the file alone.
    shown = run_command("--from", str(saved), tmp_path=tmp_path)
    assert case_text(found.cases[0]) in shown.stdout
    # JSON for a program stands alone.
    piped = run_command("--quick", "list", "--json", "-", tmp_path=tmp_path)
    assert from_json(json.loads(piped.stdout)).quick


def test_arguments_have_the_defaults_that_targets_are_measured_with() -> None:
    asked = command.arguments([])
    assert (asked.pairs, asked.quick, asked.names) == (9, False, [])


def test_the_same_runs_give_the_same_plots(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs pip install '.[benchmarks]'")
    from benchmarks.scaling import plots

    curves = (curve(1.0, 10.0), replace(curve(2.0, 3.0), work="verify"), results().curves[1])
    for folder in ("once", "again"):
        assert plots.write(curves, str(tmp_path / folder)) == ["variables.svg"]
    svg, again = ((tmp_path / name / "variables.svg").read_text() for name in ("once", "again"))
    assert svg == again
    # Text stays text, that can be searched.
    for word in ("inspect", "verify", "seconds", "peak memory, MiB", "variables", "10 k"):
        assert f">{word}<" in svg
