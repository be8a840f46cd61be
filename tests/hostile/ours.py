"""What we do with a hostile case: everything, watched.

Started as `python -m tests.hostile.ours`; answers the ids of cases, each in a child. An answer:

    stage       open, inspect, read or copy: where an error of ours ended it; None: nowhere
    error       the name of its class, `message` its line, without the machine's paths
    path        the file it names, from the case's folder, `offset` the byte
    contents    what was read, by name (see contents.py)
    notes       what was told beside
    seconds     of the processor
    breaches    files opened outside of the case, writes, programs started, connections
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import tfartifacts as tfa
from tests.hostile import forking
from tests.hostile.case import Case
from tests.hostile.cases import BY_ID
from tests.hostile.contents import of_tensor, summary
from tests.judges import exchange
from tfartifacts.convert import convert
from tfartifacts.report.describe import describe
from tfartifacts.report.layout import Layout
from tfartifacts.report.text import text_lines
from tfartifacts.report.view import SECTIONS, View

Json = Any


def limits(case_id: str) -> forking.Limits:
    return forking.Limits(seconds=120, memory=BY_ID[case_id].memory)


EVERYTHING = View(frozenset(SECTIONS), complete=True)
LAYOUT = Layout(
    width=80, limit=40, ascii_only=False, sections=frozenset(SECTIONS), all_values=False
)


# --- what is watched -----------------------------------------------------------------------------

_FORBIDDEN = re.compile(r"subprocess\.|os\.(exec|fork|posix_spawn|system|kill)|socket\.")
_WRITES = frozenset(
    "os.mkdir os.rename os.remove os.rmdir os.link os.symlink os.chmod os.chown os.truncate "
    "os.utime os.setxattr os.removexattr shutil.rmtree".split()
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Python's own files, and the project's: modules that are imported when they are first needed.
_PYTHON = tuple({os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, os.getcwd())})
_DEVICES = ("/dev/null", "/dev/urandom")


@dataclass
class Watch:
    """An audit hook: what a case does that it must not.

    Reading is for the folder of the case, links resolved; writing is for `scratch` alone.
    """

    folder: str
    scratch: str
    leads_out: bool
    is_on: bool = True
    breaches: list[str] = field(default_factory=list)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        self.is_on = False  # what is looked at here is not the case's doing
        try:
            if event == "open":
                self._open(arguments)
            elif event in ("os.listdir", "os.scandir"):
                self._read(arguments[0])
            elif event in _WRITES:
                self._write(event, arguments[0])
            elif _FORBIDDEN.match(event):
                self.breaches.append(f"{event} {arguments!r:.100}")
        finally:
            self.is_on = True

    def _open(self, arguments: tuple[Any, ...]) -> None:
        path, mode, flags = arguments
        if isinstance(path, int):
            return
        if (isinstance(flags, int) and flags & _WRITING) or set(mode or "") & set("wax+"):
            self._write("open", path)
        else:
            self._read(path)

    def _read(self, path: Any) -> None:
        if isinstance(path, int):
            return
        name = os.path.abspath(os.fsdecode(path or "."))
        real = os.path.realpath(name)
        where = name if self.leads_out else real
        allowed = (self.folder, self.scratch, *_PYTHON)
        if not _is_below(where, allowed) and real not in _DEVICES:
            self.breaches.append(f"read {name}" + (f" -> {real}" if real != name else ""))

    def _write(self, event: str, path: Any) -> None:
        if isinstance(path, int):
            return
        name = os.path.realpath(os.fsdecode(path))
        if not _is_below(name, (self.scratch,)) and name not in _DEVICES:
            self.breaches.append(f"{event} of {name}")


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


# --- what is done --------------------------------------------------------------------------------


@dataclass
class Reading:
    """An artifact as far as it could be read."""

    contents: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    stage: str = "open"


class NoLatest(tfa.TfArtifactsError):
    """Stands for what is no error of ours: a folder that has no latest checkpoint."""


def read_all(case: Case, folder: Path, scratch: Path, reading: Reading) -> None:
    """Open, describe in full, write as text, read every value, convert, copy."""
    artifact = tfa.open(folder / case.opened)
    reading.notes += getattr(artifact, "notes", ())
    if isinstance(artifact, tfa.CheckpointDirectory):
        artifact = latest_of(artifact)
    reading.stage = "inspect"
    report = describe(artifact, EVERYTHING)
    reading.notes += map(str, report.damage)
    for line in text_lines(report.document, LAYOUT):
        if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in line):
            raise AssertionError(f"a control character is shown in {line!r}")
    reading.stage = "read"
    checkpoint = artifact.checkpoint if isinstance(artifact, tfa.SavedModel) else artifact
    if isinstance(checkpoint, tfa.Checkpoint):
        reading.notes += map(str, checkpoint.problems)
        read_checkpoint(checkpoint, reading)
    read_graphs(artifact, reading)
    reading.stage = "check"
    for check in (tfa.verify, tfa.scan):
        ours_only(partial(check, folder / case.opened))
    reading.stage = "convert"
    ours_only(partial(convert, artifact))
    if isinstance(artifact, tfa.SavedModel):
        reading.stage = "copy"
        tfa.save(artifact, scratch / "copy")


def ours_only(call: Callable[[], object]) -> None:
    """Call what may end with an error of ours; any other passes through."""
    with suppress(tfa.TfArtifactsError):
        call()


def latest_of(directory: tfa.CheckpointDirectory) -> tfa.Checkpoint:
    if directory.latest is None:
        told = [str(error) for error in directory.broken.values()]
        raise NoLatest("; ".join([*directory.notes, *told]) or "its path leads to none")
    return directory.latest


def read_checkpoint(checkpoint: tfa.Checkpoint, reading: Reading) -> None:
    own = {}
    for name, variable in checkpoint.variables.items():
        array, dtype = variable.read(), str(variable.dtype)
        own[name] = of_tensor(dtype, array, exchange.encode(array, dtype).sha256())
    reading.contents.update(summary(own))
    checkpoint.object_graph  # noqa: B018  # decoded when it is asked for
    checkpoint.meta_graph  # noqa: B018


def read_graphs(artifact: tfa.Artifact, reading: Reading) -> None:
    for graph in graphs_of(artifact):
        for nodes in [graph.nodes, *(function.nodes for function in graph.functions.values())]:
            for node in nodes:
                for value in node.attrs.values():
                    if hasattr(value, "read"):
                        ours_only(value.read)
    match artifact:
        case tfa.MetaGraph():
            reading.contents.update(summary(of_graph(artifact.graph)))
        case tfa.Graph():
            reading.contents.update(summary(of_graph(artifact)))
        case tfa.SavedModel():
            reading.contents.update(of_saved_model(artifact))


def graphs_of(artifact: tfa.Artifact) -> Iterator[tfa.Graph]:
    match artifact:
        case tfa.Graph():
            yield artifact
        case tfa.MetaGraph():
            yield artifact.graph
        case tfa.SavedModel():
            yield from (meta_graph.graph for meta_graph in artifact.meta_graphs)


# --- what was read -------------------------------------------------------------------------------


def of_graph(graph: tfa.Graph) -> dict[str, Json]:
    return {f"node {node.name}": node.op for node in graph.nodes}


def of_saved_model(saved_model: tfa.SavedModel) -> dict[str, Json]:
    """Of the meta graph that is served: the first with that tag alone."""
    served = [graph for graph in saved_model.meta_graphs if set(graph.tags) == {"serve"}]
    if not served:
        return {}
    meta_graph = served[0]
    found = summary(of_graph(meta_graph.graph))
    for key, signature in meta_graph.signatures.items():
        found[f"signature {key}"] = [sorted(signature.inputs), sorted(signature.outputs)]
    files = {asset.filename: asset.file for asset in saved_model.assets}
    for asset_file in meta_graph.asset_files:
        file = files.get(asset_file.filename)
        path = None if file is None else os.path.relpath(file.path, saved_model.path)
        found[f"asset {asset_file.tensor_name}"] = path
    return found


def outcome(case_id: str) -> Json:
    """What we do with a case, in a process that is watched from here on."""
    case = BY_ID[case_id]
    with tempfile.TemporaryDirectory() as root:
        folder, scratch = Path(root, "case"), Path(root, "scratch")
        folder.mkdir()
        scratch.mkdir()
        case.write(folder)
        before = names_in(folder)
        reading = Reading()
        watch = Watch(os.path.realpath(folder), os.path.realpath(scratch), case.leads_out)
        os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
        sys.addaudithook(watch)
        start = time.process_time()
        error: tfa.TfArtifactsError | None = None
        try:
            read_all(case, folder, scratch, reading)
        except tfa.TfArtifactsError as raised:
            error = raised
        seconds = time.process_time() - start
        watch.is_on = False
        if names_in(folder) != before:
            watch.breaches.append("the files are others than before")
        return {
            "stage": None if error is None else reading.stage,
            "error": None if error is None else name_of(error),
            "message": "" if error is None else without_paths(str(error), root),
            "path": None if error is None else without_paths(error.path or "", root),
            "offset": None if error is None else error.offset,
            "contents": reading.contents,
            "notes": [without_paths(note, root) for note in reading.notes],
            "seconds": seconds,
            "breaches": watch.breaches,
        }


def name_of(error: tfa.TfArtifactsError) -> str:
    return "no latest checkpoint" if isinstance(error, NoLatest) else type(error).__name__


def names_in(folder: Path) -> list[tuple[str, int]]:
    return sorted(
        (os.path.join(parent, name), os.lstat(os.path.join(parent, name)).st_mtime_ns)
        for parent, folders, files in os.walk(folder)
        for name in (*folders, *files)
    )


def without_paths(text: str, root: str) -> str:
    for path in (os.path.realpath(root), root):
        text = text.replace(f"{path}/case/", "").replace(f"{path}/case", ".").replace(path, "..")
    return text


def main() -> None:
    warm_up()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    forking.serve(outcome, answers, limits)


def warm_up() -> None:
    """Import what is heavy, once, before the children: their time is that of the case."""
    for case_id in ("name/bidi", "text/comments", "asset/good", "entry/bool-of-2", "V1/orphan"):
        with tempfile.TemporaryDirectory() as root:
            folder, scratch = Path(root, "case"), Path(root, "scratch")
            folder.mkdir()
            scratch.mkdir()
            BY_ID[case_id].write(folder)
            ours_only(partial(read_all, BY_ID[case_id], folder, scratch, Reading()))


if __name__ == "__main__":
    main()
