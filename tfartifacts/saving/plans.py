"""What is to be written: a bundle, files to copy, messages; and the options of save."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tfartifacts.errors import ConversionError, WriteError
from tfartifacts.formats.bundle_writing import bundle_files, bundle_sizes
from tfartifacts.formats.graph_def import encode_graph, read_graph
from tfartifacts.formats.meta_graph import encode_meta_graph, read_meta_graph
from tfartifacts.formats.saved_model import encode_saved_model, read_saved_model
from tfartifacts.formats.wire import Message as Encoded
from tfartifacts.model.checkpoints import Checkpoint, File
from tfartifacts.model.graphs import Graph
from tfartifacts.model.saved_models import Asset, MetaGraph, SavedModel
from tfartifacts.model.values import Buffer, Progress
from tfartifacts.records import dataclass, field

MAX_MESSAGE = (1 << 31) - 1  # bytes; protobuf's parsers, TensorFlow's among them, read no more
LINKS = ("reflink", "hard")


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments of `save`."""

    overwrite: bool = False
    update_state: bool = False
    max_to_keep: int | None = None
    link: str | None = None
    reads_linked: bool = True
    dry_run: bool = False
    progress: Progress | None = None
    jobs: int | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """What was written, or would be: the files with their sizes, and what is worth knowing."""

    files: tuple[File, ...]
    notes: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the files, sorted."""
        return tuple(sorted(file.path for file in self.files))


@dataclass(frozen=True, slots=True)
class Message:
    """The bytes of a file in pieces, and the reader that must accept them."""

    pieces: Sequence[Buffer]
    read: Callable[[Any], object]  # takes a Buffer

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))

    @staticmethod
    def of_saved_model(saved_model: SavedModel) -> Message:
        pieces = encode_saved_model(saved_model)
        return Message(pieces, lambda data: read_saved_model(Encoded(data)))

    @staticmethod
    def of_meta_graph(meta_graph: MetaGraph) -> Message:
        return Message(encode_meta_graph(meta_graph), lambda data: read_meta_graph(Encoded(data)))

    @staticmethod
    def of_graph(graph: Graph) -> Message:
        return Message(encode_graph(graph), lambda data: read_graph(Encoded(data)))

    def check_size(self, path: str) -> None:
        if self.size > MAX_MESSAGE:
            raise ConversionError(
                f"the graph takes {self.size} bytes; TensorFlow reads at most {MAX_MESSAGE}",
                path=path,
            )


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written, by names relative to the folder that all of it goes to.

    `checkpoint` is written as a bundle with the prefix `bundle`.
    """

    checkpoint: Checkpoint | None = None
    bundle: str = ""
    copies: tuple[tuple[str, File], ...] = ()
    messages: dict[str, Message] = field(default_factory=dict)

    def names(self) -> list[str]:
        """The files, the index of a checkpoint after those that it leads to."""
        others = [*(name for name, _ in self.copies), *self.messages]
        if self.checkpoint is None:
            return others
        *data, index = bundle_files(self.checkpoint, self.bundle)
        return [*data, *others, index]

    def sizes(self) -> dict[str, int]:
        """The size that each file will have, by name. Takes as long as writing an index."""
        sizes = {name: file.size for name, file in self.copies}
        sizes |= {name: message.size for name, message in self.messages.items()}
        if self.checkpoint is not None:
            sizes |= bundle_sizes(self.checkpoint, self.bundle)
        return {name: sizes[name] for name in self.names()}

    def size_without_index(self) -> int:
        """Bytes of all files but the index, of which nothing is known before it is made."""
        size = sum(file.size for _, file in self.copies)
        size += sum(message.size for message in self.messages.values())
        if self.checkpoint is not None:
            size += self.checkpoint.nbytes
        return size


def path_to_write(path: str | os.PathLike[str]) -> str:
    """The path as a text that has a name at its end. Raises WriteError for one with a NUL byte."""
    destination = os.fspath(path)
    if "\0" in destination:
        raise WriteError("cannot write: the name holds a NUL byte", path=destination)
    if os.path.basename(destination) in (".", ".."):
        destination = os.path.realpath(destination)
    return destination


def saved(folder: str, sizes: Mapping[str, int], notes: Sequence[str] = ()) -> Saved:
    """The files of these names and sizes at their destination, a folder."""
    now = time.time()
    files = (File(os.path.join(folder, name), size, now) for name, size in sizes.items())
    return Saved(tuple(files), tuple(notes))


def asset_files(assets: Sequence[Asset]) -> Iterator[tuple[str, File]]:
    """Name in its folder, and file, of each asset; one that would leave the folder is refused."""
    for asset in assets:
        parts = {"", ".", ".."}.intersection(asset.filename.split("/"))
        if asset.file is None or parts or set("\\\0") & set(asset.filename):
            raise ConversionError(
                f"asset {asset.filename!r} is missing or leads out of the assets folder"
            )
        yield asset.filename, asset.file
