"""A graph that does not fit its checkpoint: what is told, and that the renamings told do help."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tfartifacts as tfa
from tests.conversion import same_bits
from tests.judges.client import Judge
from tfartifacts.__main__ import run
from tfartifacts.dtypes import dtype_from_name
from tfartifacts.graphs.matching import mismatch
from tfartifacts.graphs.renaming import likely_rules, rename, renamed
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.values import Always, Deferred
from tfartifacts.model.variables import Variable

FLOAT = dtype_from_name("float32")


def variables(names: Mapping[str, tuple[int, ...]]) -> dict[str, Variable]:
    return {name: Variable(name, FLOAT, shape, None) for name, shape in names.items()}


def checkpoint(*names: str) -> Checkpoint:
    return Checkpoint("m", "V2", 1, variables(dict.fromkeys(names, (1,))))


@pytest.mark.parametrize(
    ("name", "rules", "expected"),
    [
        ("a/w", ["a/w=b/v"], "b/v"),
        ("a/w", ["a/=b/"], "b/w"),
        ("a/w", ["a/="], "w"),
        ("a/w", ["w=v"], "a/w"),
        ("a/w", ["a=b"], "a/w"),
        ("a/w", [r"re:^(\w)/=x/\1_"], "x/a_w"),
        ("a/w", ["a/=b/", "b/w=c"], "c"),
        ("a=b/w", ["re:^a\\x3db/=c/"], "c/w"),
    ],
)
def test_renamings(name: str, rules: list[str], expected: str) -> None:
    assert rename(name, rules) == expected


@pytest.mark.parametrize(
    "rule", ["a", "=b", "re:(=x", r"re:a=\2", r"re:a=\g<x>", "re:a{99999999999}="]
)
def test_a_renaming_that_is_none_is_refused(rule: str) -> None:
    with pytest.raises(tfa.ConversionError, match="found renaming"):
        rename("a", [rule])


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (["c=d"], "found no variable that 'c=d' renames"),
        # In turn: the first has left nothing for the second.
        (["a/=b/", "a/=c/"], "found no variable that 'a/=c/' renames"),
        (["re:^=x"], None),
        (["re:[vw]$=x"], "found 'a/v' and 'a/w' both renamed to 'a/x'"),
        (["re:.*="], "found 'a/v' renamed to nothing"),
    ],
)
def test_renamings_of_a_checkpoint(rules: list[str], message: str | None) -> None:
    if message is None:
        assert list(renamed(checkpoint("a/v", "a/w"), rules).variables) == ["xa/v", "xa/w"]
        return
    with pytest.raises(tfa.ConversionError, match=message):
        renamed(checkpoint("a/v", "a/w"), rules)


def layers(scope: str, leaf: str = "kernel") -> dict[str, tuple[int, ...]]:
    return {f"{scope}layer_{i}/{leaf}": (i + 1, 2) for i in range(4)} | {
        f"{scope}layer_{i}/bias": (2,) for i in range(4)
    }


RULES: dict[str, tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]], list[str]]] = {
    "a scope": (layers("bert/"), layers("model/bert_1/"), ["model/bert_1/=bert/"]),
    "a scope in front": (layers("bert/"), layers("model/bert/"), ["model/="]),
    "no scope": (layers("bert/"), layers(""), ["re:^=bert/"]),
    "a scope inside": (layers("a/b/"), layers("a/c/d/"), ["re:/c/d/=/b/"]),
    "a scope inside that is new": (
        {"a/b/v": (1,), "a/b/w": (2,)},
        {"a/v": (1,), "a/w": (2,)},
        ["a/=a/b/"],
    ),
    "the last part": (layers("a/"), layers("a/", "weights"), ["re:/weights$=/kernel"]),
    "a suffix": (
        {"a/v": (1,), "a/w": (2,)},
        {"a/v/ExponentialMovingAverage": (1,), "a/w/ExponentialMovingAverage": (2,)},
        ["re:/ExponentialMovingAverage$="],
    ),
    "one name": ({"logits": (3,)}, {"logit": (3,), "step": ()}, ["logit=logits"]),
    "two things": (
        layers("new/"),
        layers("old/", "weights"),
        ["old/=new/", "re:/weights$=/kernel"],
    ),
    "strange names": (
        {"a/v": (1,), "a/w": (2,)},
        {"b=(c.*)'\\/v": (1,), "b=(c.*)'\\/w": (2,)},
        ["re:^b\\x3d\\(c\\.\\*\\)'\\\\/=a/"],
    ),
    "strange names in the graph": (
        {"b=\\1'/v": (1,), "b=\\1'/w": (2,)},
        {"a/v": (1,), "a/w": (2,)},
        ["a/=b=\\1'/"],
    ),
    # Adam's slots have the same shapes, and the parameters are there without them.
    "with slots": (
        layers("net/"),
        layers("old/") | {f"{name}/Adam": shape for name, shape in layers("old/").items()},
        ["old/=net/"],
    ),
    # To take old away in front would rename what fits.
    "no harm": ({"a/v": (1,), "old/w": (1,)}, {"old/w": (1,), "old/v": (1,)}, ["old/v=a/v"]),
    "nothing alike": ({"a/v": (1,)}, {"b/w": (1,)}, []),
    "another shape": ({"a/v": (1,)}, {"b/v": (2,)}, []),
}


@pytest.mark.parametrize("case", RULES)
def test_likely_renamings(case: str) -> None:
    wanted, there, expected = RULES[case]
    found = likely_rules(wanted, variables(there))
    assert [rule for rule, _ in found] == expected
    source = replace(checkpoint(), variables=variables(there))
    missing = len(wanted.keys() - there.keys())
    fitting = renamed(source, [rule for rule, _ in found]).variables.keys() & wanted.keys()
    assert sum(count for _, count in found) == len(fitting) - len(wanted) + missing


@pytest.mark.parametrize("change", [lambda n: f"x/{n}", lambda n: f"{n}_1", lambda n: n[::-1]])
def test_many_names_take_time_in_proportion(change: Callable[[str], str]) -> None:
    wanted = {f"block_{i // 10}/layer_{i % 10}/w": (i % 7, 3) for i in range(30_000)}
    there = variables({change(name): shape for name, shape in wanted.items()})
    start = time.perf_counter()
    likely_rules(wanted, there)
    assert time.perf_counter() - start < 20


# --- on the command line -------------------------------------------------------------------------


@pytest.fixture
def ref(fixtures: Path) -> Checkpoint:
    artifact = tfa.open(fixtures / "tensorflow-1.15" / "ref" / "model.ckpt-5")
    assert isinstance(artifact, Checkpoint)
    return artifact


def save_renamed(source: Checkpoint, rules: list[str], prefix: Path) -> None:
    without_graph = replace(source, meta_graph_part=Deferred(Always(None)))
    tfa.save(renamed(without_graph, rules), prefix)


CHANGES = {
    "scope": ["net/=old/scope/"],
    "leaf": [r"re:/w(\d)$=/kernel\1"],
    "both": ["net/=old/", r"re:/w(\d)$=/kernel\1"],
    "quotes": ['net/=it\'s "$HOME" `x`/'],
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_renamings_that_are_printed_help(
    tensorflow_2_21: Judge,
    fixtures: Path,
    tmp_path: Path,
    ref: Checkpoint,
    capsys: pytest.CaptureFixture[str],
    change: str,
) -> None:
    save_renamed(ref, CHANGES[change], tmp_path / "model")
    arguments = ["convert", str(tmp_path / "model"), str(tmp_path / "export")]
    arguments += ["--inputs", "x", "--outputs", "y", "--graph", ref.path + ".meta"]
    assert run(arguments) == 2
    message = capsys.readouterr().err
    lines = message.splitlines()
    assert lines[0].startswith(f"tfartifacts: error: {tmp_path}/model: found a graph that does not")
    assert lines[0].endswith(": it restores 3 names the checkpoint does not have") or (
        change == "leaf" and lines[0].endswith(": it restores 2 names the checkpoint does not have")
    )
    missing = [line.split()[1] for line in lines if line.startswith("  missing  ")]
    assert missing == (["net/w1", "net/w2"] if change == "leaf" else ["net/b1", "net/w1", "net/w2"])
    assert not (tmp_path / "export").exists()
    told = [
        line.removeprefix("  try ").split("  which ")[0] for line in lines if " --rename " in line
    ]
    flags = [part for line in told for part in shlex.split(line)]
    assert flags
    assert run([*arguments, *flags]) == 0
    x = np.load(fixtures / "tensorflow-1.15" / "ref" / "X.npy")
    expected = tensorflow_2_21.run_checkpoint(ref.path, {"x:0": x}, ["y:0"])["y:0"]
    found = tensorflow_2_21.run_saved_model_v2(tmp_path / "export", {"x": x})
    assert same_bits(found["y"], expected)


def test_changed_shapes_and_types_are_told(
    ref: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bias as the kernel, the step as the bias."""
    names = {"net/w1": "net/b1", "net/b1": "global_step"}
    swapped = {
        name: replace(ref.variables[names.get(name, name)], name=name) for name in ref.variables
    }
    tfa.save(replace(ref, variables=swapped), tmp_path / "model")
    arguments = ["convert", str(tmp_path / "model"), str(tmp_path / "export"), "--outputs", "y"]
    assert run(arguments) == 2
    assert capsys.readouterr().err == (
        f"tfartifacts: error: {tmp_path}/model: found a graph that does not fit the checkpoint: it "
        "has another shape or type for 2\n"
        "  changed  net/b1: float32 in the graph, int64 in the checkpoint\n"
        "  changed  net/w1: [4, 7] in the graph, [7] in the checkpoint\n"
    )


def test_close_names_are_told_of_the_first_few(ref: Checkpoint) -> None:
    graph = ref.meta_graph
    assert graph is not None
    found = mismatch(graph, renamed(ref, [r"re:/w(\d)=/ww\1"]).variables)
    assert list(found.missing)[:3] == ["net/w1", "net/w1/Adam", "net/w1/Adam_1"]
    assert found.missing["net/w1"][0] == "net/ww1"
    assert not found.changed
    assert mismatch(graph, ref.variables).rules == ()
