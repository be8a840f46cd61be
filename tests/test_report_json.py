"""Documents as JSON: lossless, ASCII, exact."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_report_describe import checkpoint, variable
from tfartifacts.report.describe import describe
from tfartifacts.report.json_text import json_lines
from tfartifacts.report.view import View

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)  # fmt: skip


def as_text(document: Any, **options: Any) -> str:
    return "\n".join(json_lines([document], **options))


@given(st.dictionaries(st.text(), JSON))
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    text = as_text(document)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert json.loads(text) == document


def test_a_variable_takes_one_line() -> None:
    document = describe(checkpoint()).document
    shown = [line for line in json_lines([document]) if '"conv1/kernel"' in line]
    assert len(shown) == 1
    assert shown[0].lstrip().startswith('{"name": "conv1/kernel", "dtype": "float32"')


def test_schema_is_the_first_key() -> None:
    assert list(json_lines([describe(checkpoint()).document]))[1] == '  "schema": 1,'


def test_several_documents_are_a_list_and_so_is_what_is_left_of_several() -> None:
    document = describe(checkpoint()).document
    assert isinstance(json.loads("\n".join(json_lines([document, document], many=True))), list)
    assert json.loads("\n".join(json_lines([document], many=True))) == [document]
    assert json.loads("\n".join(json_lines([], many=True))) == []


def test_a_byte_that_is_not_utf8_is_a_lone_surrogate() -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    text = as_text(describe(checkpoint("m", variable(name, [1.0]))).document)
    assert r"caf\udce9" in text
    [found] = json.loads(text)["variables"]
    assert found["name"].encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_limit_cuts_lists_and_never_totals() -> None:
    found = json.loads(as_text(describe(checkpoint()).document, limit=2))
    assert len(found["variables"]) == 2
    assert found["num_variables"] == 3


def values(array: Any, dtype: str) -> Any:
    report = describe(checkpoint("m", variable("v", array, dtype)), View(values=("v",)))
    return json.loads(as_text(report.document))["values"][0]["values"]


@pytest.mark.parametrize(
    ("array", "dtype", "expected"),
    [
        (7, "int64", 7),
        ([2**64 - 1], "uint64", [2**64 - 1]),
        ([True, False], "bool", [True, False]),
        ([[1, -2], [3, 4]], "int4", [[1, -2], [3, 4]]),
        ([1.5, -0.25], "bfloat16", [1.5, -0.25]),
        ([448.0], "float8_e4m3fn", [448.0]),
        ([1 + 2j], "complex64", [[1.0, 2.0]]),
        ([float("nan"), float("inf"), -float("inf")], "float32", ["NaN", "Infinity", "-Infinity"]),
        ([float("nan")], "bfloat16", ["NaN"]),
        ([complex(0, float("nan"))], "complex128", [[0.0, "NaN"]]),
        ([b"text", b"", b"\xff"], "string", ["text", "", {"base64": "/w=="}]),
        (np.zeros((2, 0)), "float32", [[], []]),
    ],
)
def test_values(array: Any, dtype: str, expected: Any) -> None:
    assert values(array, dtype) == expected


@given(st.lists(st.floats(width=32), min_size=1))
def test_float32_values_are_exact(numbers: list[float]) -> None:
    written = [float(number) for number in values(numbers, "float32")]
    assert (
        np.array(written, "f4").tobytes()
        == np.array(
            [math.nan if math.isnan(number) else number for number in numbers], "f4"
        ).tobytes()
    )
