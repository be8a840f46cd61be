"""`convert --check`: source and result, run on the same values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from tfartifacts.records import dataclass

if TYPE_CHECKING:
    from tfartifacts.convert import SavedModelOptions
    from tfartifacts.execution.comparing import Outputs
    from tfartifacts.execution.planning import Plan
    from tfartifacts.model import Artifact


@dataclass(frozen=True)
class Check:
    """The source's outputs, computed before anything is written."""

    plan: Plan
    expected: Outputs
    quiet: bool

    def rows(self, destination: str) -> list[dict[str, Any]]:
        """A row for each output of each signature: how it differs between source and result."""
        from dataclasses import asdict

        from tfartifacts.cli.output import write_error
        from tfartifacts.cli.progress import TerminalProgress
        from tfartifacts.errors import ExecutionError
        from tfartifacts.execution.comparing import compare_result
        from tfartifacts.execution.tensorflow import quiet
        from tfartifacts.opening import open_artifact

        result = open_artifact(destination)
        try:
            with (
                quiet(write_error) as terminal,
                TerminalProgress(quiet=self.quiet, counts=True, stream=terminal) as progress,
            ):
                rows = compare_result(
                    self.plan, result, self.expected, partial(progress, "running the result")
                )
        except ExecutionError as error:
            error.details = (*error.details, f"the result was written: {destination}")
            raise
        return [{**asdict(row), "equal": row.equal} for row in rows]


def check_source(
    source: Artifact,
    result: Artifact,
    options: SavedModelOptions,
    tags: Iterable[str] | None,
    feeds: Iterable[str],
    as_saved_model: Callable[[], Artifact],
    *,
    is_quiet: bool,
) -> Check:
    """Run the source, on what is given and what is made up.

    Raises, before anything is written, for whatever keeps the two from being compared.
    `as_saved_model` makes the SavedModel whose signatures a frozen graph was made for.
    """
    from tfartifacts.cli.output import write_error
    from tfartifacts.cli.progress import TerminalProgress
    from tfartifacts.errors import ConversionError
    from tfartifacts.execution.comparing import run_source
    from tfartifacts.execution.planning import plan
    from tfartifacts.execution.tensorflow import import_tensorflow, quiet
    from tfartifacts.model import Graph, SavedModel

    given = {}
    for text in feeds:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConversionError(f"found --feed {text!r}, expected KEY=VALUE")
        if key in given:
            raise ConversionError(f"found --feed {key} twice, expected one value")
        given[key] = value
    signatures = None
    if isinstance(result, Graph):
        model = as_saved_model()
        assert isinstance(model, SavedModel)
        signatures = model.meta_graph().signatures
    planned = plan(source, result, given, options=options, tags=tags, signatures=signatures)
    with (
        quiet(write_error) as terminal,
        TerminalProgress(quiet=is_quiet, counts=True, stream=terminal) as progress,
    ):
        import_tensorflow()
        expected = run_source(planned, partial(progress, "running the source"))
    return Check(planned, expected, is_quiet)
