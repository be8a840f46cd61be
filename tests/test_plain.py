"""Command lines that are read without typer are read as typer reads them."""

from __future__ import annotations

from functools import wraps
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from tfartifacts.__main__ import run
from tfartifacts.cli.app import typed
from tfartifacts.cli.commands import COMMANDS, load
from tfartifacts.cli.declaring import Command, Group, Option, declarations
from tfartifacts.cli.plain import plain


def commands() -> dict[str, Command]:
    found: dict[str, Command] = {}
    for name in COMMANDS:
        loaded = load(name)
        if isinstance(loaded, Group):
            found |= {f"{name} {inner}": command for inner, command in loaded.commands.items()}
        else:
            found[name] = loaded
    return found


ALL = commands()


def as_typer_reads(command: Command, words: list[str]) -> dict[str, Any]:
    """What typer calls the command with; raises its complaint."""

    @wraps(command)
    def recorded(**given: Any) -> Any:
        return given

    app = typer.Typer(rich_markup_mode=None)
    app.callback()(lambda: None)
    app.command("it")(typed(recorded))
    read: dict[str, Any] = app(["it", *words], standalone_mode=False)
    return read


def with_defaults(command: Any, read: dict[str, Any]) -> dict[str, Any]:
    defaults = command.__defaults__ or ()
    names = command.__code__.co_varnames[: command.__code__.co_argcount]
    return {**dict(zip(reversed(names), reversed(defaults), strict=False)), **read}


def words_of(command: Command) -> st.SearchStrategy[list[str]]:
    """Words as people type them for a command, mistakes among them."""
    texts = st.sampled_from(["a", "b.c", "x:0", "3", "0", "-1", "1_0", "", "-", "--", "ä", "٣"])
    spelled = ["--unknown", "-h"]
    for hint, declared in declarations(command).values():
        if isinstance(declared, Option):
            spelled += declared.names
        for kind in getattr(hint, "__args__", (hint,)):
            choices = [choice.value for choice in getattr(kind, "__members__", {}).values()]
            texts |= st.sampled_from([*choices, "a"])
    options = st.sampled_from(spelled)
    word = st.one_of(
        texts.map(lambda text: [text]),
        options.map(lambda option: [option]),
        st.tuples(options, texts).map(list),
        st.tuples(options, texts).map(lambda pair: ["=".join(pair)]),
    )
    return st.lists(word, max_size=5).map(lambda parts: [text for part in parts for text in part])


@pytest.mark.parametrize("name", ALL)
def test_read_as_typer_reads(name: str) -> None:
    command = ALL[name]
    seen = {"plain": 0, "left": 0}

    @settings(max_examples=150, deadline=None)
    @given(words_of(command))
    def check(words: list[str]) -> None:
        read = plain(command, words)
        seen["left" if read is None else "plain"] += 1
        if read is not None:
            assert with_defaults(command, read) == as_typer_reads(command, words)

    check()
    assert seen["left"]
    assert seen["plain"] or "paths" not in declarations(command)


def test_usage_errors_of_both_ways_read_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for words in (["--show", "no"], ["--show=no", "--limit", "1", "--filter", "-x"]):
        assert run(["inspect", "somewhere", *words]) == 2
        told.append(capsys.readouterr().err)
    assert told[0] == told[1]
    assert told[0].startswith("tfartifacts: error: invalid value for '--show': no section 'no'; ")
    assert told[0].endswith("\n  see tfartifacts inspect --help\n")
