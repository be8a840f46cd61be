"""Command lines that are understood at once: known options, each with a value that it may have.

Whatever else there is - help, completion, a mistake, a value that begins with a dash - is left to
typer, which understands what is understood here in the same way (tests hold them equal).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfartifacts.cli.declaring import Argument, Command, Option, declarations

_NO_VALUE: Any = object()
_KNOWN = frozenset({"help", "metavar", "show_default", "min", "max"})


def plain(command: Command, words: Sequence[str]) -> dict[str, Any] | None:
    """The arguments with which the words call a command; None where typer has to look at them."""
    arguments: list[tuple[str, bool]] = []
    options: dict[str, tuple[str, _Kind, Option]] = {}
    for name, (annotated, declared) in declarations(command).items():
        kind = _Kind(annotated)
        if isinstance(declared, Argument):
            arguments.append((name, kind.is_list))
        else:
            options.update(dict.fromkeys(declared.names, (name, kind, declared)))
    given: dict[str, Any] = {}
    positional = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            positional.append(word)
            continue
        spelled, has_value, text = word.partition("=")
        if spelled not in options:
            return None
        name, kind, option = options[spelled]
        if kind.is_flag:
            if has_value:
                return None
            given[name] = True
            continue
        value = kind.value(text if has_value else next(rest, ""), option.keywords)
        if value is _NO_VALUE:
            return None
        if kind.is_list:
            given.setdefault(name, []).append(value)
        else:
            given[name] = value
    return _with_positional(command, given, arguments, positional)


class _Kind:
    """What a type says of the values of an argument: bool, str, int, an Enum, or a list of one."""

    def __init__(self, declared: Any) -> None:
        # Of a union the member that is not None.
        is_union = not hasattr(declared, "__origin__") and hasattr(declared, "__args__")
        kinds = declared.__args__ if is_union else (declared,)
        (kind,) = (kind for kind in kinds if kind is not type(None))
        self.is_list = getattr(kind, "__origin__", None) is list
        self.kind = kind.__args__[0] if self.is_list else kind
        self.is_flag = self.kind is bool

    def value(self, text: str, keywords: dict[str, Any]) -> Any:
        """The value that a text stands for; _NO_VALUE where that is for typer to judge."""
        if not text or text.startswith("-") or not keywords.keys() <= _KNOWN:
            return _NO_VALUE
        if self.kind is str:
            return text
        if self.kind is int:
            if not (text.isascii() and text.isdigit() and len(text) < 18):
                return _NO_VALUE
            low, high = keywords.get("min", 0), keywords.get("max", 10**18)
            return int(text) if low <= int(text) <= high else _NO_VALUE
        choices = getattr(self.kind, "__members__", {}).values()
        return next((choice for choice in choices if choice.value == text), _NO_VALUE)


def _with_positional(
    command: Command,
    given: dict[str, Any],
    arguments: Sequence[tuple[str, bool]],
    words: Sequence[str],
) -> dict[str, Any] | None:
    """With the positional words; None where they do not fit, or something required is missing."""
    single = [name for name, is_list in arguments if not is_list]
    lists = [name for name, is_list in arguments if is_list]
    if "" in words or [*single, *lists] != [name for name, _ in arguments] or len(lists) > 1:
        return None
    given.update(zip(single, words, strict=False))
    if more := words[len(single) :]:
        if not lists:
            return None
        given[lists[0]] = list(more)
    code: Any = command.__code__
    defaults = command.__defaults__ or ()
    required = code.co_varnames[: code.co_argcount - len(defaults)]
    return given if all(name in given for name in required) else None
