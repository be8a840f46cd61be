"""Edited checkpoints with their graph: TensorFlow imports it, restores, computes the same bits."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import tfartifacts as tfa
from tests.conversion import KINDS, Source, run_source, same_bits
from tests.judges.client import Array, Judge, sha256
from tfartifacts.weights.edits import EditPlan, Edits

STRIPPED = Edits(strip_optimizer=True, rename=("re:^=edited/",))


def opened(source: Source) -> tfa.Checkpoint:
    found = tfa.open(source.prefix)
    assert isinstance(found, tfa.Checkpoint)
    return found


def saved(checkpoint: tfa.Checkpoint, edits: Edits, prefix: Path) -> EditPlan:
    plan = tfa.plan_edits(checkpoint, edits)
    tfa.save(plan.checkpoint, prefix)
    return plan


def run(
    judge: Judge, prefix: Path, source: Source, save_to: Path | None = None
) -> dict[str, Array]:
    feeds = {**source.feeds, **{f"{name}:0": value for name, value in source.fixed.items()}}
    fetched = judge.run_checkpoint(
        prefix,
        feeds,
        [f"{key}:0" for key in source.fetches],
        initialize_tables=True,
        soft_placement=True,
        save_to=save_to,
    )
    return {key.partition(":")[0]: value for key, value in fetched.items()}


def assert_equal(found: dict[str, Array], expected: dict[str, Array]) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert same_bits(found[key], value), key


def judged(request: pytest.FixtureRequest, version: str, kind: str) -> tuple[Judge, Source]:
    name = version.replace(".", "_")
    source: Source = request.getfixturevalue(f"sources_{name}")[kind]
    return request.getfixturevalue(f"tensorflow_{name}"), source


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["1.15", "2.21"])
def test_stripped_and_renamed_it_computes_the_same(
    request: pytest.FixtureRequest, tmp_path: Path, version: str, kind: str
) -> None:
    judge, source = judged(request, version, kind)
    plan = saved(opened(source), STRIPPED, tmp_path / "edited")
    assert plan.graph == "rewritten", plan.checkpoint.notes
    assert all(name.startswith("edited/") for name in plan.checkpoint.variables)
    assert not [name for name in plan.checkpoint.variables if "Adam" in name]
    again = tmp_path / "again"
    assert_equal(run(judge, tmp_path / "edited", source, again), run_source(judge, source))
    if kind == "mutable":  # what a table exports comes in another order each time
        return
    # Saved once more by the graph, it has the new names and the same values.
    restored = {
        name: facts
        for name, facts in judge.list_checkpoint(again).items()
        if "ExponentialMovingAverage" not in name
    }
    there = judge.list_checkpoint(tmp_path / "edited")
    assert restored
    for name, facts in restored.items():
        assert facts.get("sha256") == there[name].get("sha256"), name


@pytest.mark.parametrize("kind", ["ref", "res", "part", "part1", "sharded3", "v1_part", "ema"])
@pytest.mark.parametrize("version", ["1.15", "2.21"])
def test_renamed_merged_and_in_other_shards_it_computes_the_same(
    request: pytest.FixtureRequest, tmp_path: Path, version: str, kind: str
) -> None:
    judge, source = judged(request, version, kind)
    edits = Edits(
        rename=("re:net=network", "global_step=step"),
        merge_partitions="part" in kind,
        shards=4,
        add={"more": np.arange(3)},
    )
    plan = saved(opened(source), edits, tmp_path / "edited")
    assert plan.graph == "rewritten", plan.checkpoint.notes
    assert len(list(tmp_path.glob("edited.data-*-of-00004"))) == 4
    assert_equal(run(judge, tmp_path / "edited", source), run_source(judge, source))
    values = judge.read_checkpoint(tmp_path / "edited")
    assert values["more"].tolist() == [0, 1, 2]
    for name, variable in opened(source).variables.items():
        new = {"global_step": "step"}.get(name, name.replace("net", "network"))
        assert sha256(values[new]) == sha256(variable.read()), name


@pytest.mark.parametrize("version", ["1.15", "2.21"])
def test_values_alone_leave_the_graph_as_it_is(
    request: pytest.FixtureRequest, tmp_path: Path, version: str
) -> None:
    judge, source = judged(request, version, "ref")
    edits = Edits(values={"global_step": 0, "net/b1": 0.0}, shards=2)
    plan = saved(opened(source), edits, tmp_path / "edited")
    assert plan.graph == "carried"
    assert (tmp_path / "edited.meta").read_bytes() == Path(f"{source.prefix}.meta").read_bytes()
    found = judge.run_checkpoint(tmp_path / "edited", {}, ["global_step:0", "net/b1:0"])
    assert found["global_step:0"].tolist() == 0
    assert found["global_step:0"].dtype == np.int64
    assert found["net/b1:0"].tolist() == [0.0] * 7


@pytest.mark.parametrize("version", ["1.15", "2.21"])
def test_swapped_names_are_followed(
    request: pytest.FixtureRequest, tmp_path: Path, version: str
) -> None:
    judge, source = judged(request, version, "res")
    edits = Edits(names={"net/w1": "net/w2", "net/w2": "net/w1"})
    plan = saved(opened(source), edits, tmp_path / "edited")
    assert plan.graph == "rewritten"
    assert_equal(run(judge, tmp_path / "edited", source), run_source(judge, source))
    shapes = {name: v.shape for name, v in plan.checkpoint.variables.items()}
    assert (shapes["net/w1"], shapes["net/w2"]) == ((7, 3), (4, 7))


@pytest.mark.parametrize("version", ["1.15", "2.21"])
@pytest.mark.parametrize("rename", [(), ("re:^=new/",)])
def test_averages_take_the_place_of_their_variables(
    request: pytest.FixtureRequest, tmp_path: Path, version: str, rename: tuple[str, ...]
) -> None:
    # The saver of this graph restores averages into the variables: it computes with them already.
    judge, source = judged(request, version, "ema")
    plan = saved(opened(source), Edits(use_ema=True, rename=rename), tmp_path / "edited")
    assert plan.graph == "rewritten", plan.checkpoint.notes
    names = plan.checkpoint.variables
    assert not [name for name in names if "ExponentialMovingAverage" in name]
    assert_equal(run(judge, tmp_path / "edited", source), run_source(judge, source))
    before, after = opened(source).variables, judge.read_checkpoint(tmp_path / "edited")
    for name in ("net/w1", "net/b1", "net/w2", "bn/gamma", "bn/beta"):
        average = before[f"{name}/ExponentialMovingAverage"].read()
        new = f"new/{name}" if rename else name
        assert sha256(after[new]) == sha256(average)
        assert sha256(before[name].read()) != sha256(average)


@pytest.mark.parametrize("version", ["1.15", "2.21"])
def test_averages_of_a_graph_that_restores_both(
    request: pytest.FixtureRequest, tmp_path: Path, version: str
) -> None:
    judge, source = judged(request, version, "ref")
    variables = opened(source).variables
    averages = {
        "net/w1/Adam": "net/w1/ExponentialMovingAverage",
        "net/w2/Adam": "net/w2/ExponentialMovingAverage",
    }
    # A graph whose saver has a variable and its average: slots by another name.
    named = saved(opened(source), Edits(names=averages), tmp_path / "named").checkpoint
    plan = saved(named, Edits(use_ema=True), tmp_path / "edited")
    assert plan.graph == "rewritten", plan.checkpoint.notes
    found = judge.run_checkpoint(tmp_path / "edited", {}, ["net/w1:0", "net/w2:0", "net/b1:0"])
    for name, slot in (("net/w1", "/Adam"), ("net/w2", "/Adam"), ("net/b1", "")):
        assert sha256(found[f"{name}:0"]) == sha256(variables[name + slot].read())


@pytest.mark.parametrize(
    ("edits", "why"),
    [
        (Edits(cast="float16"), "it restores '.*' as float32, not as float16 \\(.* such variables"),
        (Edits(keep=("beta1_power",), rename=("beta1_power=b",)), ""),
        (Edits(drop=("*",), add={"w": np.zeros(3)}), "nothing that it restores is left"),
    ],
)
def test_a_graph_that_would_not_restore_is_left_out(
    sources_2_21: dict[str, Source], tmp_path: Path, edits: Edits, why: str
) -> None:
    plan = saved(opened(sources_2_21["ref"]), edits, tmp_path / "edited")
    notes = [note for note in plan.checkpoint.notes if note.startswith("the graph is left out")]
    assert (plan.graph == "left out") == bool(why) == bool(notes)
    assert (tmp_path / "edited.meta").exists() != bool(why)
    assert not why or re.search(why, notes[0])
