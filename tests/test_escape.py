"""The sanitizer: nothing out of a file acts on a terminal."""

from __future__ import annotations

import shutil
import subprocess
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfartifacts.report.escape import printable, shell_quote

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # surrogates too


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("dense/kernel:0", "dense/kernel:0"),
        ("größe/核 ß", "größe/核 ß"),
        ("a\x1b[31mred", r"a\x1b[31mred"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("two\nlines\ttab\rover", r"two\nlines\ttab\rover"),
        ("nul\0del\x7f", r"nul\x00del\x7f"),
        ("\x9b31m", r"\u009b31m"),
        ("ab\u202edc", r"ab\u202edc"),
        ("\u2066\u2069\u200e\u200f\u061c", r"\u2066\u2069\u200e\u200f\u061c"),
        ("zero\u200bwidth\ufeff\u2060", r"zero\u200bwidth\ufeff\u2060"),
        ("line\u2028para\u2029", r"line\u2028para\u2029"),
        ("no\u00a0break", r"no\u00a0break"),
        ("\U000e0041", r"\U000e0041"),
        ("\u3164\ufe0f", r"\u3164\ufe0f"),
        ("bytes\udcff\udc80", r"bytes\xff\x80"),
        ("\ud800", r"\ud800"),
        (r"C:\runs\new", r"C:\runs\new"),
        ("<script>", "<script>"),
    ],
)
def test_what_is_not_plainly_visible_is_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_ascii_only_escapes_every_other_character() -> None:
    assert printable("größe 核 \U0001f600", ascii_only=True) == r"gr\u00f6\u00dfe \u6838 \U0001f600"
    assert printable("plain", ascii_only=True) == "plain"


@given(ANY_TEXT, st.booleans())
def test_the_result_is_visible_encodable_and_stable(text: str, ascii_only: bool) -> None:
    shown = printable(text, ascii_only=ascii_only)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(shown.splitlines()) <= 1
    shown.encode("ascii" if ascii_only else "utf-8")
    assert printable(shown, ascii_only=ascii_only) == shown


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("runs/model-4", "runs/model-4"),
        ("x:0", "x:0"),
        ("", "''"),
        ("my runs", "'my runs'"),
        ("it's", "'it'\\''s'"),
        ("$(reboot)", "'$(reboot)'"),
        ("~/x", "'~/x'"),
        ("größe", "'größe'"),
    ],
)
def test_shell_quote(text: str, word: str) -> None:
    assert shell_quote(text) == word


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    "text",
    ["a b", "x\x1b]0;y\x071", "quote'\\n\n", "byte\udcff7", "ab\u202edc", "-n", "*?[a]{1,2}"],
)
def test_shell_turns_the_word_back_into_the_same_bytes(text: str) -> None:
    word = shell_quote(text)
    assert printable(word) == word
    command = f"printf '%s' {word}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    assert result.stdout == text.encode("utf-8", "surrogateescape")
