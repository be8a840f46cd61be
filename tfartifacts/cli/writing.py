"""What commands that write have in common: their options, retries, their end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Annotated, TypeVar

from tfartifacts.cli.declaring import Option
from tfartifacts.records import dataclass

if TYPE_CHECKING:
    from tfartifacts import Artifact
    from tfartifacts.saving import Saved

Made = TypeVar("Made", bound="Artifact")


class Link(str, Enum):
    """How files that stay as they are may be carried without a copy."""

    REFLINK = "reflink"
    HARD = "hard"


Overwrite = Annotated[
    bool, Option("--overwrite", help="Replace a SavedModel that is there, in one step.")
]
UpdateState = Annotated[
    bool,
    Option(
        "--update-state",
        help="Make the folder's state file name the new checkpoint as the latest.",
    ),
]
MaxToKeep = Annotated[
    int | None,
    Option(
        "--max-to-keep",
        min=1,
        metavar="N",
        help="With --update-state, list the newest N checkpoints. No file is deleted.",
        show_default=False,
    ),
]
LinkFiles = Annotated[
    Link | None,
    Option(
        "--link",
        help="Do not copy files that stay as they are. reflink: shared blocks, where the file "
        "system can. hard: else hard links, which change with the source's files if those are "
        "written into, as TensorFlow does with none but a sharded .index.",
        show_default=False,
    ),
]
Unread = Annotated[
    bool,
    Option(
        "--unread",
        help="With --link: do not read the data files that are linked. Their checksums stay as "
        "they are stored and are not compared; the size of the data costs no time.",
    ),
]
DryRun = Annotated[
    bool, Option("--dry-run", help="Say which files would be written; write nothing.")
]


@dataclass(frozen=True, slots=True)
class Writing:
    """The options of a command that writes, as given."""

    overwrite: bool = False
    update_state: bool = False
    max_to_keep: int | None = None
    link: Link | None = None
    dry_run: bool = False
    quiet: bool = False
    jobs: int | None = None
    unread: bool = False

    def save(self, source: str, destination: str, make: Callable[[], Made]) -> tuple[Made, Saved]:
        """What `make` made of the source, written to the destination.

        Where the source was rewritten meanwhile, both are done again, up to three times.
        """
        from tfartifacts.cli.progress import TerminalProgress
        from tfartifacts.opening import while_unchanged
        from tfartifacts.saving import save

        def attempt() -> tuple[Made, Saved]:
            made = make()
            with TerminalProgress(quiet=self.quiet) as progress:
                saved = save(
                    made,
                    destination,
                    overwrite=self.overwrite,
                    update_state=self.update_state,
                    max_to_keep=self.max_to_keep,
                    link=None if self.link is None else self.link.value,
                    reads_linked=not self.unread,
                    dry_run=self.dry_run,
                    progress=progress if progress.wanted else None,
                    jobs=self.jobs,
                )
            return made, saved

        with taking_back_before_the_end():
            return while_unchanged(source, attempt)


class _EndedError(BaseException):
    """The process was told to end."""


@contextmanager
def taking_back_before_the_end() -> Iterator[None]:
    """A signal that ends the process does so when what was begun has been taken back.

    It ends all the same, of the signal; Ctrl-C does the like without this.
    """
    ended_by: list[int] = []

    def end(number: int, frame: object) -> None:
        ended_by.append(number)
        raise _EndedError

    # One that is ignored, as by nohup, stays so.
    numbers = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) == signal.SIG_DFL
    ]
    try:
        for number in numbers:
            signal.signal(number, end)
    except ValueError:  # not the main thread, where signals arrive
        numbers = []
    try:
        yield
    except _EndedError:
        signal.signal(ended_by[0], signal.SIG_DFL)
        os.kill(os.getpid(), ended_by[0])
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
