"""Faults of one kind told together: a graph that was cut has thousands, for one reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tfartifacts.checks.findings import Finding, Severity
from tfartifacts.records import dataclass, field

_MOST_NAMED = 3


@dataclass(slots=True)
class _Kind:
    """Faults of one severity and code: what is said of the first, the names of the first few."""

    message: str
    names: list[str]
    count: int = 0


@dataclass(slots=True)
class Faults:
    """Faults as they are met; one finding for each severity and code, in the order of the first.

    The finding says what is wrong with the first, how many there are, and names a few. `path` is
    the file they are in, `where` what part of it, such as "meta graph {serve}".
    """

    path: str | None
    where: str = ""
    _kinds: dict[tuple[Severity, str], _Kind] = field(default_factory=dict)

    def error(self, code: str, message: str, name: str = "") -> None:
        self.add(Severity.ERROR, code, message, name)

    def warning(self, code: str, message: str, name: str = "") -> None:
        self.add(Severity.WARNING, code, message, name)

    def note(self, code: str, message: str, name: str = "") -> None:
        self.add(Severity.NOTE, code, message, name)

    def add(self, severity: Severity, code: str, message: str, name: str = "") -> None:
        kind = self._kinds.get((severity, code))
        if kind is None:
            kind = self._kinds[severity, code] = _Kind(message, [])
        kind.count += 1
        if len(kind.names) < _MOST_NAMED:
            kind.names.append(name)

    def findings(self) -> Iterator[Finding]:
        for (severity, code), kind in self._kinds.items():
            message = kind.message
            if kind.count > 1:
                message += f" ({kind.count:,} of this kind"
                if any(kind.names):
                    message += f": {few(kind.names, kind.count)}"
                message += ")"
            if self.where:
                message = f"{self.where}: {message}"
            yield Finding(severity, code, message, self.path, None, kind.names[0])


def few(names: Sequence[str], count: int | None = None) -> str:
    """The first few names, and how many there are besides."""
    shown = names[:_MOST_NAMED]
    more = (len(names) if count is None else count) - len(shown)
    return ", ".join(map(repr, shown)) + (f" and {more:,} more" if more > 0 else "")
