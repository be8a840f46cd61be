"""A result is there whole or not at all, whatever fails and whenever.

Every call to the operating system that a save makes fails once, then fails from there on, or is
interrupted before or after it was done. Nothing may come of it but one of two states: nothing, or
everything; and an error of ours that names a path.
"""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tests import operations
from tests.conftest import PROJECT
from tests.operations import Operation, Tree, tree
from tfartifacts.errors import DestinationExistsError, WriteError
from tfartifacts.storage import files, publishing, syncing, temporary, writing

OPERATIONS = {**operations.OPERATIONS, **operations.OTHERS}


@pytest.fixture(params=OPERATIONS)
def operation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Operation:
    monkeypatch.setattr("time.time", lambda: 1.0)  # state files hold it
    return OPERATIONS[request.param]


def trained(fixtures: Path) -> tfa.Checkpoint:
    """A checkpoint with its graph, both read."""
    return operations.checkpoint(fixtures / "digits" / "checkpoints" / "my_model-4")


def tables(fixtures: Path) -> tfa.Artifact:
    """A SavedModel with variables and an asset."""
    return tfa.open(fixtures / operations.TABLES)


# --- calls that fail -----------------------------------------------------------------------------

CALLS = (
    "open write fsync close mkdir rename replace link unlink rmdir chmod lstat pread preadv "
    "listdir scandir"
).split()


class Faults:
    """The operating system for the modules of storage, which fails at one call.

    Calls are counted from 1; at call number `at` it fails, with `stays` at every call after it
    too. A failure is an OSError or an exception such as KeyboardInterrupt, raised before the call
    is made, or with `after` when it was made.
    """

    def __init__(
        self,
        at: int = 0,
        failure: BaseException | None = None,
        *,
        stays: bool = False,
        after: bool = False,
    ) -> None:
        self.count = 0
        self.failed: list[str] = []
        self._at = at
        self._failure = failure
        self._stays = stays
        self._after = after
        self._renameat2 = publishing._renameat2

    def __getattr__(self, name: str) -> Any:
        # Waiting for the disk a thousand times proves nothing here.
        found = os.fstat if name == "fsync" else getattr(os, name)
        return self.counted(name, found) if name in CALLS else found

    def counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **keywords: Any) -> Any:
            self.count += 1
            fails = self.count == self._at or (self._stays and self.count > self._at > 0)
            if fails and self._failure is not None:
                self.failed.append(name)
                if self._after or name == "close":  # a descriptor is closed even so
                    with suppress(OSError):
                        call(*arguments, **keywords)
                raise self._failure
            return call(*arguments, **keywords)

        return counting

    def install(self, patch: pytest.MonkeyPatch, *, without_renameat2: bool = False) -> None:
        for module in (files, publishing, syncing, temporary, writing):
            patch.setattr(module, "os", self)
        renameat2 = (lambda *_: False) if without_renameat2 else self._renameat2
        patch.setattr(publishing, "_renameat2", self.counted("renameat2", renameat2))


def outcomes(operation: Operation, fixtures: Path, folder: Path) -> tuple[Tree, Tree]:
    """What the folder holds before and after, where nothing disturbs."""
    operation.prepare(fixtures, folder)
    before = tree(folder)
    operation.opened(fixtures, folder)()
    after = tree(folder)
    shutil.rmtree(folder)
    assert before != after
    return before, after


FAILURES = {
    "no space": OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "input/output error": OSError(errno.EIO, os.strerror(errno.EIO)),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("without_renameat2", [False, True], ids=["", "without renameat2"])
def test_an_operation_whose_calls_fail_publishes_nothing(
    operation: Operation,
    failure: str,
    without_renameat2: bool,
    fixtures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if operation.needs_exchange and without_renameat2:
        pytest.skip("refused without it: see the test of that")
    folder = tmp_path / "work"
    before, after = outcomes(operation, fixtures, folder)
    source = tree(fixtures / operation.source)
    descriptors = len(os.listdir("/proc/self/fd"))
    failed = set()
    at = 0
    while True:
        at += 1
        operation.prepare(fixtures, folder)
        operate = operation.opened(fixtures, folder)
        faults = Faults(at, FAILURES[failure])
        error: tfa.TfArtifactsError | None = None
        with monkeypatch.context() as patch:
            faults.install(patch, without_renameat2=without_renameat2)
            try:
                operate()
            except tfa.TfArtifactsError as raised:
                error = raised
        found = tree(folder)
        place = f"call {at}: {faults.failed}"
        failed.update(faults.failed)
        if error is None:
            # A call whose failure means nothing: closing what was only read, a folder that
            # cannot be opened to be synced, a link where a copy does.
            assert found == after, place
        else:
            assert found == before, place
            assert error.path is not None, place
            assert isinstance(error, WriteError | tfa.PathNotFoundError), place
            assert not isinstance(error, WriteError) or error.errno is not None, place
        assert len(os.listdir("/proc/self/fd")) == descriptors, place
        shutil.rmtree(folder)
        if not faults.failed:
            break
    # The count went past the last call, and the calls that matter were among them.
    assert {"open", "write", "fsync", "mkdir"} <= failed
    assert failed & {"renameat2", "replace"}
    assert tree(fixtures / operation.source) == source


def test_an_operation_whose_calls_all_fail_from_one_on_never_publishes_a_part(
    operation: Operation, fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    before, after = outcomes(operation, fixtures, folder)
    at = 0
    while True:
        at += 1
        operation.prepare(fixtures, folder)
        operate = operation.opened(fixtures, folder)
        faults = Faults(at, FAILURES["input/output error"], stays=True)
        error = None
        with monkeypatch.context() as patch:
            faults.install(patch)
            try:
                operate()
            except tfa.TfArtifactsError as raised:
                error = raised
        found = tree(folder)
        # What cannot be taken back stays, but it is no result, or all of it.
        assert operation.is_whole(found, before, after), f"call {at}"
        assert error is not None or found == after, f"call {at}"
        shutil.rmtree(folder)
        if not faults.failed:
            break
    assert at > 10


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_interrupted_operation_has_done_all_or_nothing(
    operation: Operation,
    after: bool,
    fixtures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "work"
    states = outcomes(operation, fixtures, folder)
    at = 0
    while True:
        at += 1
        operation.prepare(fixtures, folder)
        operate = operation.opened(fixtures, folder)
        faults = Faults(at, KeyboardInterrupt(), after=after)
        with monkeypatch.context() as patch:
            faults.install(patch)
            try:
                operate()
                interrupted = False
            except KeyboardInterrupt:
                interrupted = True
        found = tree(folder)
        assert found in states, f"call {at}: {faults.failed}"
        # An interruption is never swallowed.
        assert interrupted == bool(faults.failed)
        shutil.rmtree(folder)
        if not faults.failed:
            break
    assert at > 10


def test_what_leads_to_others_is_taken_back_before_them_or_all_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.rename
    taken_back: list[str] = []

    def rename(source: str, destination: str) -> None:
        if not can_index and source.endswith("index"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        taken_back.append(os.path.basename(source))
        real(source, destination)

    def fail(steps: publishing.Steps) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", rename)
    names = ["data", "meta", "index"]
    for can_index in (True, False):
        taken_back.clear()
        staged, folder = tmp_path / f"staged {can_index}" / "files", tmp_path / f"to {can_index}"
        staged.mkdir(parents=True)
        folder.mkdir()
        for name in names:
            (staged / name).write_text(name)
        with pytest.raises(KeyboardInterrupt):
            publishing.publish_files(str(staged), str(folder), names, fail)
        assert taken_back == (["index", "meta", "data"] if can_index else [])
        assert sorted(os.listdir(folder)) == ([] if can_index else sorted(names))


@pytest.mark.parametrize("error", [None, errno.EXDEV], ids=["no such call", "an overlay"])
def test_without_an_exchange_in_one_step_nothing_is_overwritten(
    error: int | None, fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renameat2(source: str, destination: str, flags: int) -> bool:
        if error is not None:
            raise OSError(error, os.strerror(error))
        return False

    operation = OPERATIONS["SavedModel over another"]
    operation.prepare(fixtures, tmp_path / "work")
    operate = operation.opened(fixtures, tmp_path / "work")
    before = tree(tmp_path / "work")
    monkeypatch.setattr(publishing, "_renameat2", renameat2)
    with pytest.raises(DestinationExistsError, match="exchange"):
        operate()
    assert tree(tmp_path / "work") == before


class Journal:
    """The operating system for storage, that notes what becomes durable and what appears."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str]] = []
        self._paths: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: str, *arguments: Any) -> int:
        descriptor = os.open(path, *arguments)
        self._paths[descriptor] = path
        return descriptor

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)
        self.notes.append(("synced", self._paths[descriptor]))

    def replace(self, source: str, destination: str) -> None:
        os.replace(source, destination)
        self.notes.append(("replaced", destination))

    def rename(self, source: str, destination: str) -> None:
        os.rename(source, destination)
        self.notes.append(("moved", source))

    def renameat2(self, source: str, destination: str, flags: int) -> bool:
        done = publishing_renameat2(source, destination, flags)
        self.notes.append((["appeared", "exchanged"][flags - 1], destination))
        return done

    def install(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(publishing, "os", self)
        patch.setattr(syncing, "os", self)
        patch.setattr(writing, "os", self)
        patch.setattr(publishing, "_renameat2", self.renameat2)

    def names(self, folder: Path) -> list[tuple[str, str]]:
        """The notes, with temporary names as `*`."""
        return [
            (what, re.sub(r"\.[^/]+\.tfartifacts-[^/]+", "*", os.path.relpath(path, folder)))
            for what, path in self.notes
        ]


publishing_renameat2 = publishing._renameat2

# What is done, in this order, after all staged files were synced.
IN_ORDER = {
    "checkpoint to SavedModel": [
        ("synced", "*/saved_model/variables"),
        ("synced", "*/saved_model"),
        ("appeared", "export"),
        ("synced", "."),
    ],
    "SavedModel over another": [
        ("synced", "*/saved_model/variables"),
        ("synced", "*/saved_model"),
        ("exchanged", "export"),
        ("synced", "."),
    ],
    "SavedModel to checkpoint": [
        ("synced", "*/checkpoint"),
        ("appeared", "new"),
        ("synced", "."),
    ],
    # Each name is durable before one appears that leads to it.
    "checkpoint into a folder": [
        ("synced", "runs/*/checkpoint"),
        ("synced", "runs/*/parts.json"),
        ("synced", "runs/*"),
        ("appeared", "runs/model-9.data-00000-of-00001"),
        ("synced", "runs"),
        ("appeared", "runs/model-9.meta"),
        ("synced", "runs"),
        ("appeared", "runs/model-9.index"),
        ("synced", "runs"),
        ("replaced", "runs/checkpoint"),
        ("synced", "runs"),
    ],
    "variables one at a time": [
        ("synced", "runs/*/checkpoint"),
        ("synced", "runs/*/parts.json"),
        ("synced", "runs/*"),
        ("appeared", "runs/model-9.data-00000-of-00002"),
        ("synced", "runs"),
        ("appeared", "runs/model-9.data-00001-of-00002"),
        ("synced", "runs"),
        ("appeared", "runs/model-9.index"),
        ("synced", "runs"),
        ("replaced", "runs/checkpoint"),
        ("synced", "runs"),
    ],
    "checkpoint with assets": [
        ("synced", "runs/*/checkpoint/model-9.assets"),
        ("synced", "runs/*/checkpoint"),
        ("synced", "runs/*/parts.json"),
        ("synced", "runs/*"),
        ("appeared", "runs/model-9.data-00000-of-00001"),
        ("synced", "runs"),
        ("appeared", "runs/model-9.assets"),
        ("synced", "runs"),
        ("appeared", "runs/model-9.meta"),
        ("synced", "runs"),
        ("appeared", "runs/model-9.index"),
        ("synced", "runs"),
        ("appeared", "runs/checkpoint"),
        ("synced", "runs"),
    ],
    "signature in place": [
        ("moved", "model/fingerprint.pb"),
        ("synced", "model"),
        ("moved", "model/assets.extra/tfartifacts.manifest.json"),
        ("synced", "model/assets.extra"),
        ("replaced", "model/saved_model.pb"),
        ("synced", "model"),
    ],
    "signature in a text": [
        ("appeared", "model/saved_model.pb"),
        ("synced", "model"),
        ("moved", "model/saved_model.pbtxt"),
        ("synced", "model"),
    ],
    "manifest over another": [
        ("synced", "model/assets.extra/*"),
        ("replaced", "model/assets.extra/tfartifacts.manifest.json"),
        ("synced", "model/assets.extra"),
    ],
    "state file repaired, the old one kept": [
        ("synced", "runs/*"),
        ("appeared", "runs/checkpoint.bak"),
        ("synced", "runs"),
        ("replaced", "runs/checkpoint"),
        ("synced", "runs"),
    ],
    "frozen graph": [
        ("synced", "*/graph"),
        ("appeared", "frozen.pb"),
        ("synced", "."),
    ],
}


@pytest.mark.parametrize("name", IN_ORDER)
def test_what_appears_is_durable_and_in_order(
    name: str, fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = OPERATIONS[name]
    folder = tmp_path / "work"
    operation.prepare(fixtures, folder)
    before = tree(folder)
    operate = operation.opened(fixtures, folder)
    journal = Journal()
    journal.install(monkeypatch)
    operate()
    expected = IN_ORDER[name]
    notes = journal.names(folder)
    assert notes[-len(expected) :] == expected
    # Before that, each new file has reached the disk, and nothing else happened.
    synced = [os.path.basename(path) for what, path in notes[: -len(expected)] if what == "synced"]
    assert len(synced) == len(notes) - len(expected)
    made = [path for path, data in tree(folder).items() if data is not None]
    new = [path for path in made if tree(folder)[path] != before.get(path)]
    assert sorted(synced) == sorted(os.path.basename(path) for path in new)


# --- destinations that are taken -----------------------------------------------------------------


def folder_with_a_file(path: Path) -> None:
    path.mkdir()
    (path / "mine").write_text("mine")


def link_to_a_folder(path: Path) -> None:
    path.with_name("aim").mkdir()
    path.symlink_to("aim")


TAKEN: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.write_text("mine"),
    "an empty folder": os.mkdir,
    "a folder": folder_with_a_file,
    "a link": link_to_a_folder,
    "a dangling link": lambda path: os.symlink("nowhere", path),
    "a FIFO": os.mkfifo,
}


def links_and_files(folder: Path) -> dict[str, Any]:
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.lstat().st_ino)
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("kind", TAKEN)
@pytest.mark.parametrize("source", ["digits/saved_model", "graphs/model.meta", "graphs/frozen.pb"])
def test_a_taken_destination_is_refused(
    kind: str, source: str, fixtures: Path, tmp_path: Path
) -> None:
    destination = tmp_path / "export"
    TAKEN[kind](destination)
    before = links_and_files(tmp_path)
    with pytest.raises(DestinationExistsError, match="exists") as caught:
        tfa.save(tfa.open(fixtures / source), destination)
    assert caught.value.path == str(destination)
    assert links_and_files(tmp_path) == before


@pytest.mark.parametrize("kind", TAKEN)
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("suffix", ["", ".index", ".meta", ".data-00000-of-00001"])
def test_a_taken_member_of_a_checkpoint_is_refused(
    kind: str, suffix: str, overwrite: bool, fixtures: Path, tmp_path: Path
) -> None:
    destination = tmp_path / "there" / "model-4"
    destination.parent.mkdir()
    taken = destination.with_name(f"model-4{suffix}")
    TAKEN[kind](taken)
    before = links_and_files(tmp_path)
    with pytest.raises(DestinationExistsError) as caught:
        tfa.save(trained(fixtures), destination, overwrite=overwrite)
    assert caught.value.path == str(taken)
    assert links_and_files(tmp_path) == before


@pytest.mark.parametrize("update_state", [False, True])
@pytest.mark.parametrize("kind", TAKEN)
def test_only_a_file_can_be_a_state_file(
    kind: str, update_state: bool, fixtures: Path, tmp_path: Path
) -> None:
    state = tmp_path / "there" / "checkpoint"
    state.parent.mkdir()
    TAKEN[kind](state)
    before = links_and_files(tmp_path)
    destination = state.with_name("model-4")
    if kind == "a file" and not update_state:
        # Whatever is in it: it is left as it is.
        tfa.save(trained(fixtures), destination)
        assert state.read_text() == "mine"
        after = links_and_files(tmp_path)
        assert {name: after[name] for name in before} == before
        return
    expected = tfa.FormatError if kind == "a file" else DestinationExistsError
    with pytest.raises(expected) as caught:
        tfa.save(trained(fixtures), destination, update_state=update_state)
    assert caught.value.path == str(state)
    assert links_and_files(tmp_path) == before


def saved_model_in(path: Path) -> None:
    shutil.copytree(PROJECT / "fixtures" / "saved-models" / "text", path)


OVERWRITTEN = {**TAKEN, "a SavedModel": saved_model_in}


@pytest.mark.parametrize("kind", OVERWRITTEN)
def test_only_a_saved_model_or_an_empty_folder_is_overwritten(
    kind: str, fixtures: Path, tmp_path: Path
) -> None:
    destination = tmp_path / "export"
    OVERWRITTEN[kind](destination)
    before = links_and_files(tmp_path)
    model = tfa.open(fixtures / "digits/saved_model")
    if kind in ("an empty folder", "a SavedModel"):
        tfa.save(model, destination, overwrite=True)
        assert sorted(os.listdir(tmp_path)) == ["export"]
        assert sorted(os.listdir(destination)) == ["saved_model.pb", "variables"]
    else:
        with pytest.raises(DestinationExistsError, match="is no SavedModel"):
            tfa.save(model, destination, overwrite=True)
        assert links_and_files(tmp_path) == before


LATE = {
    "checkpoint to SavedModel": "export",
    "checkpoint with assets": "runs/model-9.index",
    "variables one at a time": "runs/model-9.index",
    "frozen graph": "frozen.pb",
    "signature in a text": "model/saved_model.pb",
}


@pytest.mark.parametrize("name", LATE)
def test_a_name_taken_at_the_last_moment_is_not_replaced(
    name: str, fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = OPERATIONS[name]
    folder = tmp_path / "work"
    operation.prepare(fixtures, folder)
    before = tree(folder)
    operate = operation.opened(fixtures, folder)
    taken = folder / LATE[name]
    real = publishing.rename_without_replacing

    def late(source: str, target: str) -> None:
        if target == str(taken):
            taken.write_text("theirs")
        real(source, target)

    monkeypatch.setattr(publishing, "rename_without_replacing", late)
    with pytest.raises(DestinationExistsError) as caught:
        operate()
    assert caught.value.path == str(taken)
    assert tree(folder) == {**before, LATE[name]: b"theirs"}


def save_with_others(
    artifact: tfa.Artifact,
    destination: Path,
    barrier: threading.Barrier,
    results: list[BaseException | None],
) -> None:
    barrier.wait()
    try:
        tfa.save(artifact, destination)
        results.append(None)
    except BaseException as error:  # noqa: BLE001 - looked at where it is read
        results.append(error)


WRITTEN = {
    "export": operations.TABLES,
    "there/model-4": "digits/checkpoints/my_model-4",
    "frozen.pb": "graphs/frozen.pb",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_of_two_writers_one_wins(name: str, fixtures: Path, tmp_path: Path) -> None:
    artifact = tfa.open(fixtures / WRITTEN[name])
    tfa.save(artifact, tmp_path / "alone" / name)
    after = tree(tmp_path / "alone")
    for _ in range(10):
        destination = tmp_path / "work" / name
        destination.parent.mkdir(parents=True)
        barrier = threading.Barrier(4)
        results: list[BaseException | None] = []

        writer = partial(save_with_others, artifact, destination, barrier, results)
        threads = [threading.Thread(target=writer) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results.count(None) == 1
        others = [result for result in results if result is not None]
        assert all(isinstance(other, DestinationExistsError) for other in others), others
        assert tree(tmp_path / "work") == after
        shutil.rmtree(tmp_path / "work")


# --- processes -----------------------------------------------------------------------------------

WRITER = """
import sys
import tfartifacts as tfa

artifact = tfa.open(sys.argv[1])
print("ready", flush=True)
tfa.save(artifact, sys.argv[2])
"""


@pytest.fixture(scope="module")
def large_model(fixtures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel of some megabytes, that takes a moment to save."""
    folder = tmp_path_factory.mktemp("large") / "model"
    shutil.copytree(fixtures / "saved-models" / "two_meta_graphs", folder)
    for number in range(4):
        (folder / "assets" / f"table-{number}").write_bytes(bytes(range(256)) * 6000)
    return folder


def whole(folder: Path, source: Path) -> bool:
    """Whether the copy opens, reads and holds all the source does."""
    model = tfa.open(folder)
    assert isinstance(model, tfa.SavedModel)
    assert model.checkpoint is not None
    for variable in model.checkpoint.variables.values():
        variable.read()
    names = [path for path in tree(source) if path != "fingerprint.pb"]
    return sorted(tree(folder)) == sorted(names)


def test_a_killed_save_is_whole_or_not_there(large_model: Path, tmp_path: Path) -> None:
    source = random.Random(7)
    kept = 0
    longest = 0.1
    for number in range(20):
        destination = tmp_path / str(number) / "export"
        arguments = [sys.executable, "-c", WRITER, str(large_model), str(destination)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            start = time.monotonic()
            if number:
                time.sleep(source.uniform(0, longest))
                process.kill()
            else:
                process.wait()
                longest = time.monotonic() - start
        if destination.exists():
            kept += 1
            assert whole(destination, large_model)
        if destination.parent.exists():
            left = [name for name in os.listdir(destination.parent) if name != "export"]
            assert all(name.startswith(".export.tfartifacts-") for name in left)
    assert 0 < kept < 20


def test_ctrl_c_leaves_nothing(large_model: Path, tmp_path: Path) -> None:
    source = random.Random(11)
    for number in range(5):
        destination = tmp_path / str(number) / "export"
        arguments = [sys.executable, "-c", WRITER, str(large_model), str(destination)]
        with subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(source.uniform(0, 0.05))
            process.send_signal(signal.SIGINT)
        if destination.parent.exists():
            assert os.listdir(destination.parent) == ["export"]
            assert whole(destination, large_model)


LIMITED = """
import resource, signal, sys
import tfartifacts as tfa

artifact = tfa.open(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    tfa.save(artifact, sys.argv[2])
except tfa.WriteError as error:
    print(error.errno, error)
"""


@pytest.mark.parametrize("limit", [0, 1, 100, 4096, 1_000_000])
def test_a_full_disk_publishes_nothing(large_model: Path, tmp_path: Path, limit: int) -> None:
    destination = tmp_path / "new" / "export"
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(large_model), str(destination), str(limit)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith(f"{errno.EFBIG} {tmp_path}")
    assert "file too large; nothing was published" in run.stdout
    assert os.listdir(tmp_path) == []


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002], indirect=True)
def test_files_have_the_usual_modes(umask: int, fixtures: Path, tmp_path: Path) -> None:
    tfa.save(tfa.open(fixtures / "saved-models/two_meta_graphs"), tmp_path / "new" / "export")
    tfa.save(trained(fixtures), tmp_path / "other" / "model-4")
    tfa.save(tfa.open(fixtures / "graphs/frozen.pb"), tmp_path / "frozen.pb")
    modes = {(path.is_dir(), path.stat().st_mode & 0o7777) for path in tmp_path.rglob("*")}
    assert modes == {(True, 0o777 & ~umask), (False, 0o666 & ~umask)}


# --- names ---------------------------------------------------------------------------------------

NAMES = {
    "255 bytes": "x" * 255,
    "85 characters of 3 bytes": "\u4e2d" * 85,
    "63 characters of 4 bytes": "\U0001f600" * 63,
    "blanks": " a b ",
    "globs": "[x]*?",
    "a newline": "a\nb",
    "not UTF-8": "caf\udce9",
    "an escape": "\x1b[2J",
    "a leading dash": "-rf",
    "dots": "...",
}


@pytest.mark.parametrize("kind", NAMES)
def test_any_name_can_be_written_and_opened(kind: str, fixtures: Path, tmp_path: Path) -> None:
    name = NAMES[kind]
    tfa.save(tfa.open(fixtures / "digits/saved_model"), tmp_path / "folder" / name)
    assert os.listdir(tmp_path / "folder") == [name]
    assert tfa.open(tmp_path / "folder" / name).kind == "saved-model"
    tfa.save(tfa.open(fixtures / "graphs/frozen.pb"), tmp_path / "files" / name)
    assert tfa.open(tmp_path / "files" / name).kind == "graph-def"
    if kind == "not UTF-8":
        with pytest.raises(tfa.ConversionError, match="state file cannot hold"):
            tfa.save(trained(fixtures), tmp_path / "p" / name)
    elif len(os.fsencode(name)) < 200:
        tfa.save(trained(fixtures), tmp_path / "prefixes" / name)
        directory = tfa.open(tmp_path / "prefixes")
        assert isinstance(directory, tfa.CheckpointDirectory)
        assert directory.latest is not None
        assert directory.latest.prefix == str(tmp_path / "prefixes" / name)
        assert directory.latest.meta_graph is not None


IMPOSSIBLE = {
    "256 bytes": "x" * 256,
    "a path beyond 4096 bytes": "/".join(["x" * 200] * 25),
    "below a file": "file/export",
    "below a dangling link": "link/export",
    "a NUL byte": "a\0b",
}


@pytest.mark.parametrize("kind", IMPOSSIBLE)
@pytest.mark.parametrize(
    "source", ["digits/saved_model", "digits/checkpoints/my_model-4", "graphs/frozen.pb"]
)
def test_an_impossible_name_is_an_error_of_ours(
    kind: str, source: str, fixtures: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    before = links_and_files(tmp_path)
    artifact = tfa.open(fixtures / source)
    with pytest.raises(WriteError) as caught:
        tfa.save(artifact, f"{tmp_path}/{IMPOSSIBLE[kind]}")
    assert caught.value.path is not None
    assert links_and_files(tmp_path) == before


def test_paths_that_end_in_a_slash_or_are_relative(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = tfa.open(fixtures / "digits/saved_model")
    tfa.save(model, "export/")
    tfa.save(model, "./new/../new/export")
    assert tfa.open("export").kind == tfa.open("new/export").kind == "saved-model"
    with pytest.raises(tfa.ConversionError, match=r"export/model\.ckpt"):
        tfa.save(trained(fixtures), "export/")
    with pytest.raises(DestinationExistsError, match=r"export/model\.ckpt"):
        tfa.save(trained(fixtures), "export")
