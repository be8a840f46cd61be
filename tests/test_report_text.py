"""Documents as text: what a person reads first, and that it is safe to read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.test_report_describe import (
    FLOAT,
    SERVING,
    checkpoint,
    directory,
    graph,
    info,
    meta_graph,
    partitioned,
    restorable,
    variable,
    with_graph,
)
from tfartifacts.errors import ChecksumError, PathNotFoundError
from tfartifacts.model import (
    Artifact,
    Asset,
    Checkpoint,
    Node,
    SavedModel,
    Signature,
    SparseNames,
    TensorInfo,
)
from tfartifacts.report.describe import describe
from tfartifacts.report.layout import Layout
from tfartifacts.report.text import text_lines
from tfartifacts.report.view import SECTIONS, View

HOSTILE = "x\x1b]0;owned\x07\u202e\n<script>\udcff"
SHOWN = r"x\x1b]0;owned\x07\u202e\n<script>\xff"


def text(artifact: Artifact, view: View | None = None, **layout: Any) -> str:
    view = view or View(sections=layout.get("sections", frozenset()))
    return "\n".join(text_lines(describe(artifact, view).document, Layout(**layout)))


def words(artifact: Artifact, **layout: Any) -> list[list[str]]:
    return [line.split() for line in text(artifact, **layout).splitlines()]


def many_variables(number: int) -> Checkpoint:
    return checkpoint("m-1", *(variable(f"layer_{i}/kernel", [1.0]) for i in range(number)))


def test_checkpoint_says_format_size_and_what_is_the_optimizers() -> None:
    lines = words(checkpoint())
    assert lines[0] == ["Checkpoint", "runs/model-4"]
    assert ["format", "V2,", "1", "shard"] in lines
    assert "variables 3; 1,601 parameters, 6.26 KiB".split() in lines
    assert "model 1 800 3.12 KiB".split() in lines
    assert ["conv1/kernel", "float32", "(5,", "5,", "1,", "32)", "3.12", "KiB", "0"] in [
        line[:9] for line in lines
    ]


def test_without_a_graph_it_says_so() -> None:
    assert "Graph: none" in text(checkpoint())


def test_graph_without_signature_ends_in_a_line_for_the_shell() -> None:
    source = checkpoint("my runs/model-4", meta_graph_part=with_graph(restorable()))
    assert (
        "\n  tfartifacts convert 'my runs/model-4' DESTINATION --inputs x:0 --outputs prediction:0"
    ) in text(source)


def test_no_command_is_proposed_that_would_be_refused() -> None:
    alone = text(restorable())
    assert "Not to be converted: there is no checkpoint of this name beside the graph" in alone
    needy = text(checkpoint(meta_graph_part=with_graph(meta_graph())))
    assert (
        "\nNot to be converted: w (VariableV2) is needed, and the saver does not restore it"
        in needy
    )
    for shown in (alone, needy, text(graph())):
        assert "tfartifacts convert" not in shown


def test_a_graph_beside_its_checkpoint_proposes_to_convert_that() -> None:
    shown = text(replace(restorable(), checkpoint_prefix="runs/model-4"))
    assert "  tfartifacts convert runs/model-4 DESTINATION --inputs x:0" in shown


def test_names_of_tensors_stay_whole_on_a_terminal() -> None:
    name = "/".join(["a_scope_of_some_length"] * 4) + "/Softmax"
    more = Node(name, "Softmax", ("logits",), attrs={"T": FLOAT})
    signature = Signature({"image": info("x:0")}, {"scores": info(f"{name}:0", None)})
    candidates = text(meta_graph(graph=graph(more)), width=80).splitlines()
    assert [line for line in candidates if line.endswith(f"  {name}:0")]
    at = candidates.index("  input        x:0")
    assert candidates[at + 1] == "      float32  (?, 784)  feeds the layers"
    assert max(len(line) for line in candidates if name not in line) <= 80
    signed = meta_graph(graph=graph(more), signatures={"serving_default": signature})
    assert f"{name}:0" in text(signed, width=80)


def test_a_signature_that_does_not_fit_is_a_note_of_its_graph() -> None:
    signature = Signature({}, {"scores": info("predicton:0")})
    shown = text(meta_graph(signatures={"serving_default": signature}))
    assert "  note: signature 'serving_default', output 'scores': no tensor 'predicton:0'" in shown
    assert ["output", "scores", "predicton:0", "float32", "(?,", "784)"] in [
        line.split() for line in shown.splitlines()
    ]


def test_graph_with_signature_proposes_nothing() -> None:
    shown = text(meta_graph(signatures={"serving_default": SERVING}))
    assert "Candidates" not in shown
    assert "Signature serving_default (tensorflow/serving/predict)" in shown
    assert "input image x:0 float32 (?, 784)".split() in [
        line.split() for line in shown.split("\n")
    ]
    assert "unknown rank" in shown


def test_asking_for_candidates_shows_them_beside_a_signature() -> None:
    source = meta_graph(signatures={"serving_default": SERVING})
    assert "Candidates" in text(source, sections=frozenset({"candidates"}))


def test_a_sparse_tensor_shows_its_three_tensors() -> None:
    sparse = info("", (None, 4), sparse=SparseNames("v:0", "i:0", "s:0"))
    lines = words(meta_graph(signatures={"k": Signature({"s": sparse}, {})}))
    assert "input s (values) v:0 float32 sparse (?, 4)".split() in lines
    assert "input s (indices) i:0 int64".split() in lines
    assert "input s (dense_shape) s:0 int64".split() in lines


def test_signature_without_tensors_is_told_and_internal_ones_are_not() -> None:
    signatures = {"regress": Signature({}, {}, ""), "__saved_model_init_op": Signature({}, {})}
    shown = text(meta_graph(signatures=signatures))
    assert "Signature regress: no inputs, no outputs" in shown
    assert "__saved_model_init_op" not in shown


def test_placeholders_are_shown_where_they_are_not_all_inputs_of_a_signature() -> None:
    fed = meta_graph(signatures={"serving_default": SERVING})
    assert "Placeholders" not in text(fed)
    aside = graph(Node("label", "Placeholder"), Node("save/filename", "Placeholder"))
    assert "Placeholders" not in text(meta_graph(graph=aside, signatures={"s": SERVING}))
    signature = replace(SERVING, outputs={"dropped": info("dropped:0", None)})
    more = graph(
        Node("keep_prob", "Placeholder"), Node("dropped", "Mul", ("prediction", "keep_prob"))
    )
    shown = text(meta_graph(graph=more, signatures={"s": signature}))
    assert "Placeholders that outputs of a signature need and its inputs lack" in shown
    assert ["keep_prob:0", "unknown", "unknown", "rank", "s"] in words(
        meta_graph(graph=more, signatures={"s": signature})
    )


def test_devices_are_shown_only_where_something_is_placed() -> None:
    assert "devices       not placed 4, /device:GPU:0 1" in text(meta_graph())
    assert "devices" not in text(meta_graph(graph=type(graph())((Node("c", "Const"),))))


def test_tensorflow_version() -> None:
    assert "TensorFlow 1.15.5 (git v1.15.4-39-g3db52be)" in text(meta_graph())


def test_directory_shows_latest_relocated_missing_and_outside() -> None:
    lines = words(directory())
    assert ["latest", "model-4"] in lines
    assert "model-4 4 2018-12-05 14:03:11 417 B latest".split() in lines
    assert "model-2 2 2018-12-05 14:02:11 417 B relocated".split() in lines
    assert "/elsewhere/model-1 outside the folder, not followed".split() in lines
    assert ["model-3", "missing"] in lines
    assert ["relocated", "1,", "recorded", "in", "C:\\old"] in lines


def test_relocations_from_several_folders_are_listed() -> None:
    source = directory()
    moved = replace(source.entries[1], recorded="/b/model-4", relocated=True)
    shown = words(replace(source, entries=(source.entries[0], moved)))
    assert ["model-2", "C:\\old\\model-2"] in shown
    assert ["model-4", "/b/model-4"] in shown


def test_directory_whose_latest_is_gone_says_what_was_recorded() -> None:
    shown = text(directory(latest=None))
    assert "none; the state file names model-4, which is not there" in shown


def test_times_say_where_they_come_from() -> None:
    assert "saved (UTC)" in text(directory())
    assert "file time (UTC)" in text(directory(unlisted=(checkpoint("runs/other-9"),)))


def test_saved_model_summary() -> None:
    model = SavedModel(
        "export",
        (meta_graph("serve", signatures={"serving_default": SERVING}),),
        checkpoint("export/variables/variables"),
        (Asset("vocab.txt", ("asset:0",), None),),
    )
    lines = words(model)
    assert lines[0] == ["SavedModel", "export"]
    assert ["tag", "sets", "{serve}"] in lines
    assert ["vocab.txt", "missing", "asset:0"] in lines
    assert not [line for line in lines if line[:1] == ["conv1/kernel"]]
    asked = words(model, sections=frozenset({"variables"}))
    assert [line for line in asked if line[:1] == ["conv1/kernel"]]
    assert "Variables: none" in text(SavedModel("export", ()))


def test_limit_counts_what_is_left_out() -> None:
    shown = text(many_variables(50), limit=40)
    assert "layer_39/kernel" in shown
    assert "layer_40/kernel" not in shown
    assert "  ... 10 more, --limit 0 shows all" in shown
    assert "more, --limit" not in text(many_variables(50))
    assert "more, --limit" not in text(many_variables(40), limit=40)


def test_sections_replace_the_usual_ones() -> None:
    source = checkpoint(meta_graph_part=with_graph(meta_graph()))
    shown = text(source, sections=frozenset({"ops"}))
    assert ["Placeholder", "1"] in [line.split() for line in shown.splitlines()]
    assert "conv1/kernel" not in shown


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_adds_something_somewhere(section: str) -> None:
    summary = SavedModel(
        "export",
        (meta_graph("serve", graph=graph(), signatures={"s": SERVING}),),
        checkpoint("export/variables/variables", partitioned("embedding")),
        (Asset("vocab.txt", ("asset:0",), None),),
    )
    # A section nothing has: the head alone.
    head = text(summary, View(sections=frozenset({"none"})), sections=frozenset({"none"}))
    shown = text(summary, sections=frozenset({section}))
    assert len(shown.splitlines()) > len(head.splitlines())


def test_slices_and_their_extents() -> None:
    shown = text(checkpoint("m", partitioned("embedding")), sections=frozenset({"slices"}))
    assert "embedding 2,2:- (2, 2) 16 B 1".split() in [line.split() for line in shown.splitlines()]


def test_missing_data_is_a_note() -> None:
    missing = PathNotFoundError("no such file", path="m.data-00000-of-00001")
    assert "note: m.data-00000-of-00001: no such file" in text(checkpoint(problems=(missing,)))


def test_a_terminal_is_not_overrun() -> None:
    name = "encoder/" * 30 + "kernel"
    source = checkpoint(
        "m", variable(name, [1.0]), meta_graph_part=with_graph(meta_graph(graph=graph(
            *(Node(f"n{i}", f"AnOperationOfSomeLength{i}") for i in range(9)))))
    )  # fmt: skip
    shown = text(source, width=80).splitlines()
    assert [line for line in shown if len(line) > 80 and "convert" not in line] == []
    assert name in text(source)


@pytest.mark.parametrize("sections", [frozenset[str](), frozenset(SECTIONS)])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_nothing_from_a_file_reaches_the_terminal_raw(
    sections: frozenset[str], ascii_only: bool
) -> None:
    bad = HOSTILE + "é"
    node = Node(bad, "Op" + bad, ("x", bad), "/device:" + bad)
    signatures = {bad: Signature({bad: TensorInfo(bad, None, None)}, {}, bad)}
    hostile = meta_graph(bad, graph=graph(node), signatures=signatures, path=bad)
    saved = checkpoint("m" + bad, variable(bad, [1.0]), meta_graph_part=with_graph(hostile))
    model = SavedModel(bad, (hostile,), saved, (Asset(bad, (bad,), None),))
    for artifact in (saved, hostile, model, directory(notes=(bad,))):
        shown = text(artifact, sections=sections, ascii_only=ascii_only)
        assert shown.replace("\n", "").isprintable()
        assert SHOWN in shown
        assert ("é" in shown) is not ascii_only
        assert not ascii_only or shown.isascii()


def values(array: Any, dtype: str = "float32", **layout: Any) -> str:
    source = checkpoint("m", variable("v", array, dtype))
    return text(source, View(values=("v",)), **layout)


def test_values_show_range_and_elements() -> None:
    assert values([[1.5, 2.5]]).splitlines() == [
        "v  float32  (1, 2)",
        "  min 1.5, max 2.5, mean 2",
        "  [[1.5 2.5]]",
    ]


def test_many_values_are_summarised_unless_all_are_wanted() -> None:
    many = np.arange(1000)
    assert "..." in values(many, "int32")
    assert "..." not in values(many, "int32", all_values=True)
    assert "500" in values(many, "int32", all_values=True)


def test_no_line_of_values_ends_in_spaces() -> None:
    assert [line for line in values(np.ones((2, 2, 2))).splitlines() if line != line.rstrip()] == []


def test_values_that_are_not_finite_are_counted() -> None:
    assert "min 1, max 1, mean 1, 2 not finite" in values([1.0, np.nan, np.inf])
    assert "all 1 elements are not finite" in values([np.nan])
    assert "(no elements)" in values(np.zeros((0, 3)))


def test_string_values_are_quoted_and_safe() -> None:
    assert '["a\\x1b[2J" "\\xff"]' in values([b"a\x1b[2J", b"\xff"], "string")


def test_an_unreadable_value_is_told_in_its_place() -> None:
    bad = ChecksumError("stored 1, computed 2", path="m.data", offset=0)
    source = checkpoint("m", variable("a", [1.0], error=bad), variable("b", [2.0]))
    shown = text(source, View(values=("*",)))
    assert "not readable: stored 1, computed 2" in shown
    assert "[2.]" in shown
