"""How much a hit matters: by what it does, from where it is reached, and which file it names.

error    run code, write, network, stop, custom ops: wherever something that is declared runs
         them; files whose contents a caller gets though nobody declared them
warning  the same where nothing reaches it; other files outside that are read
note     explained: the saver's own, declared assets, what prints, compiled code without calls
"""

from __future__ import annotations

from collections.abc import Callable

from tfartifacts.checks.findings import Severity
from tfartifacts.checks.scan.capabilities import Capability, Rule
from tfartifacts.checks.scan.paths import (
    DEFAULT_FILENAME,
    Origin,
    OriginKind,
    is_outside,
    is_url,
)
from tfartifacts.checks.scan.rows import Reach
from tfartifacts.records import dataclass

# Nobody runs it but who asks for it by its name.
_NOT_DECLARED = (Reach.UNREACHABLE, Reach.ITERATOR, Reach.BESIDE)
_CALLED = (Reach.SIGNATURE, Reach.FUNCTION)
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a hit; `target` is what it names."""

    severity: Severity
    explanation: str
    target: str = ""
    capability: Capability | None = None


def by_reach(reach: Reach, *, is_open: bool) -> Severity:
    """An error where something that is declared runs it; `is_open`: nothing is declared."""
    if reach is Reach.ITERATOR and is_open:
        return Severity.ERROR
    return Severity.WARNING if reach in _NOT_DECLARED else Severity.ERROR


@dataclass(frozen=True, slots=True)
class Judge:
    """`is_inside` tells of an absolute path whether it lies in the artifact's folder."""

    is_open: bool
    is_inside: Callable[[str], bool]

    def judge(self, rule: Rule, reach: Reach, origins: frozenset[Origin]) -> Verdict | None:
        """What is said of an op with names of files from there; None: it does nothing after all.

        `origins` is empty where it has no input or attribute for a name.
        """
        kinds = {origin.kind for origin in origins}
        target = _target(origins)
        if origins and kinds == {OriginKind.CONSTANT} and not any(o.text for o in origins):
            return None  # a cache in memory, a sampler without a vocabulary
        if rule.of_savers and (explained := self._of_savers(rule, reach, origins)):
            return Verdict(Severity.NOTE, f"{rule.does}: {explained}", target)
        if rule.capability is Capability.WRITE_LOG:
            return Verdict(Severity.NOTE, rule.does)
        if rule.capability is Capability.READ_FILES:
            return self._reads(rule, reach, origins)
        severity = by_reach(reach, is_open=self.is_open)
        why = f"{rule.does}{_whence(origins)}"
        if reach is Reach.SAVER and rule.of_savers:
            why += ", not under the name that it is given to save to"
        return Verdict(severity, why, target)

    def _of_savers(self, rule: Rule, reach: Reach, origins: frozenset[Origin]) -> str:
        if not origins:
            return ""
        kinds = {origin.kind for origin in origins}
        if reach is Reach.SAVER and kinds <= {OriginKind.FILENAME}:
            return "the saver's own, under the name that it is given"
        given = all(
            origin.kind in (OriginKind.CALLER, OriginKind.FILENAME)
            or (origin.kind is OriginKind.CONSTANT and origin.text == DEFAULT_FILENAME)
            for origin in origins
        )
        if given and reach in (Reach.GRAPH, Reach.UNREACHABLE, Reach.ITERATOR):
            return "of a further saver, under the name that it is given"
        return ""

    def _reads(self, rule: Rule, reach: Reach, origins: frozenset[Origin]) -> Verdict:
        kinds = {origin.kind for origin in origins}
        target = _target(origins)
        # An asset's file name may lead out of assets/, and loaders follow it.
        texts = [o.text for o in origins if o.kind in (OriginKind.CONSTANT, OriginKind.ASSET)]
        if origins and kinds <= {OriginKind.ASSET} and not any(map(is_outside, texts)):
            return Verdict(Severity.NOTE, f"{rule.does}: a declared asset", target)
        outside = [t for t in texts if is_outside(t) and not self.is_inside(t)]
        is_constant = bool(origins) and kinds <= {OriginKind.ASSET, OriginKind.CONSTANT}
        if is_constant and not outside:
            if any(is_outside(text) for text in texts):
                return Verdict(Severity.NOTE, f"{rule.does} of its own folder", target)
            called = reach in _CALLED and rule.raw
            severity = Severity.WARNING if called else Severity.NOTE
            return Verdict(severity, f"{rule.does}, in the current folder", target)
        severity = Severity.ERROR if reach in _CALLED and rule.raw else Severity.WARNING
        why = rule.does
        if any(is_url(text) for text in outside):
            why += " over the network"
        elif outside:
            why += " outside its folder"
        else:
            why += _whence(origins)
        if reach in _CALLED and rule.raw:
            why += ", whose contents the caller gets"
        return Verdict(severity, why, target)


def _target(origins: frozenset[Origin]) -> str:
    texts = sorted({origin.text for origin in origins if origin.text})
    more = len(texts) - _MOST_NAMED
    return ", ".join(texts[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _whence(origins: frozenset[Origin]) -> str:
    """How the name of a file comes about, where that has to be said."""
    kinds = {origin.kind for origin in origins}
    if any(is_url(origin.text) for origin in origins):
        return " over the network"
    if OriginKind.CALLER in kinds:
        return " under a name that the caller gives"
    if OriginKind.COMPUTED in kinds:
        return " under a name that is computed"
    return ""
