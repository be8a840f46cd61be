"""A result is there whole or not at all, whatever fails and whenever.

Every call to the operating system that a save makes fails once, then fails from there on, or is
interrupted before or after it was done. Nothing may come of it but one of two states: nothing, or
everything; and an error of ours that names a path.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tfartifacts.errors import DestinationExistsError, WriteError
from tfartifacts.storage import files, publishing

# --- what is saved -------------------------------------------------------------------------------


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder: contents of files, None for folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@dataclass(frozen=True)
class Job:
    """Something to save, and where below a folder.

    `existing`: the folder it goes into is there before, with a file in it.
    """

    source: str
    destination: str
    existing: bool = False
    overwrite: bool = False

    def open(self, fixtures: Path) -> tfa.Artifact:
        artifact = tfa.open(fixtures / self.source)
        if isinstance(artifact, tfa.CheckpointDirectory):
            assert artifact.latest is not None
            artifact = artifact.latest
        if isinstance(artifact, tfa.Checkpoint):
            assert artifact.meta_graph is not None  # read now: it is the save that is tested
        return artifact


JOBS = {
    "saved model": Job("saved-models/two_meta_graphs", "export"),
    "saved model into new folders": Job("saved-models/two_meta_graphs", "new/newer/export"),
    "saved model over another": Job("saved-models/two_meta_graphs", "export", overwrite=True),
    "checkpoint into a new folder": Job("digits/checkpoints", "new/model-4"),
    "checkpoint into a folder": Job("digits/checkpoints", "there/model-4", existing=True),
    "meta graph": Job("graphs/model.meta", "model.meta"),
    "graph": Job("graphs/frozen.pb", "frozen.pb"),
}


def prepare(job: Job, folder: Path) -> Path:
    """The folder a job may change, as it is before; the path to save to."""
    folder.mkdir()
    destination = folder / job.destination
    if job.existing:
        destination.parent.mkdir()
        (destination.parent / "notes.txt").write_text("mine")
    if job.overwrite:
        destination.mkdir()
        (destination / "old.txt").write_text("old")
    return destination


@pytest.fixture(params=JOBS)
def job(request: pytest.FixtureRequest) -> Job:
    return JOBS[request.param]


# --- calls that fail -----------------------------------------------------------------------------

CALLS = (
    "open write fsync close mkdir rename link unlink rmdir lstat pread preadv listdir scandir"
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
        patch.setattr(publishing, "os", self)
        patch.setattr(files, "os", self)
        renameat2 = (lambda *_: False) if without_renameat2 else self._renameat2
        patch.setattr(publishing, "_renameat2", self.counted("renameat2", renameat2))


def save(job: Job, artifact: tfa.Artifact, destination: Path) -> None:
    tfa.save(artifact, destination, overwrite=job.overwrite)


def outcomes(job: Job, artifact: tfa.Artifact, folder: Path) -> tuple[Any, Any]:
    """What the folder holds before and after a save that nothing disturbs."""
    destination = prepare(job, folder)
    before = tree(folder)
    save(job, artifact, destination)
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
def test_a_save_whose_calls_fail_publishes_nothing(
    job: Job,
    failure: str,
    without_renameat2: bool,
    fixtures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if job.overwrite and without_renameat2:
        pytest.skip("refused without it: see the test of that")
    artifact = job.open(fixtures)
    before, after = outcomes(job, artifact, tmp_path / "work")
    source = tree(fixtures / job.source.split("/")[0])
    failed = set()
    at = 0
    while True:
        at += 1
        destination = prepare(job, tmp_path / "work")
        faults = Faults(at, FAILURES[failure])
        error: tfa.TfArtifactsError | None = None
        with monkeypatch.context() as patch:
            faults.install(patch, without_renameat2=without_renameat2)
            try:
                save(job, artifact, destination)
            except tfa.TfArtifactsError as raised:
                error = raised
        found = tree(tmp_path / "work")
        place = f"call {at}: {faults.failed}"
        failed.update(faults.failed)
        if error is None:
            # A call whose failure means nothing: closing what was only read, a folder that
            # cannot be opened to be synced.
            assert found == after, place
        else:
            assert found == before, place
            assert error.path is not None, place
            assert isinstance(error, WriteError | tfa.PathNotFoundError), place
            assert not isinstance(error, WriteError) or error.errno is not None, place
        shutil.rmtree(tmp_path / "work")
        if not faults.failed:
            break
    # The count went past the last call, and the calls that matter were among them.
    assert {"open", "write", "fsync", "mkdir", "renameat2"} <= failed
    assert tree(fixtures / job.source.split("/")[0]) == source


def test_a_save_whose_calls_all_fail_from_one_on_never_publishes_a_part(
    job: Job, fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = job.open(fixtures)
    _, after = outcomes(job, artifact, tmp_path / "work")
    at = 0
    while True:
        at += 1
        destination = prepare(job, tmp_path / "work")
        faults = Faults(at, FAILURES["input/output error"], stays=True)
        error = None
        with monkeypatch.context() as patch:
            faults.install(patch)
            try:
                save(job, artifact, destination)
            except tfa.TfArtifactsError as raised:
                error = raised
        found = tree(tmp_path / "work")
        # What cannot be taken back stays, but it is no result: without a state file, or all of it.
        state = destination.parent / "checkpoint"
        if error is None:
            assert found == after, at
        elif destination.exists() and not job.overwrite:
            assert {**found, **after} == found, at
        else:
            assert not state.exists() or {**found, **after} == found, at
        shutil.rmtree(tmp_path / "work")
        if not faults.failed:
            break
    assert at > 10


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_interrupted_save_is_whole_or_not_there(
    job: Job, after: bool, fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = job.open(fixtures)
    states = outcomes(job, artifact, tmp_path / "work")
    at = 0
    while True:
        at += 1
        destination = prepare(job, tmp_path / "work")
        faults = Faults(at, KeyboardInterrupt(), after=after)
        with monkeypatch.context() as patch:
            faults.install(patch)
            try:
                save(job, artifact, destination)
                interrupted = False
            except KeyboardInterrupt:
                interrupted = True
        found = tree(tmp_path / "work")
        assert found in states, f"call {at}: {faults.failed}"
        # An interruption is never swallowed.
        assert interrupted == bool(faults.failed)
        shutil.rmtree(tmp_path / "work")
        if not faults.failed:
            break
    assert at > 10


def test_without_an_exchange_in_one_step_nothing_is_overwritten(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = JOBS["saved model over another"]
    destination = prepare(job, tmp_path / "work")
    before = tree(tmp_path / "work")
    monkeypatch.setattr(publishing, "_renameat2", lambda *_: False)
    with pytest.raises(DestinationExistsError, match="exchange"):
        tfa.save(job.open(fixtures), destination, overwrite=True)
    assert tree(tmp_path / "work") == before


class Journal:
    """The operating system for publishing, that notes what becomes durable and what appears."""

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

    def renameat2(self, source: str, destination: str, flags: int) -> bool:
        assert flags == 1  # without replacing
        os.rename(source, destination)
        self.notes.append(("appeared", destination))
        return True


def test_what_appears_is_durable_and_in_order(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = JOBS["checkpoint into a folder"]
    destination = prepare(job, tmp_path / "work")
    artifact = job.open(fixtures)
    journal = Journal()
    monkeypatch.setattr(publishing, "os", journal)
    monkeypatch.setattr(publishing, "_renameat2", journal.renameat2)
    tfa.save(artifact, destination)
    folder = str(destination.parent)
    names = [f"model-4{suffix}" for suffix in (".data-00000-of-00001", ".index", ".meta")]
    names.append("checkpoint")
    first = journal.notes.index(("appeared", f"{folder}/{names[0]}"))
    # Before the first appears, all have reached the disk, names included.
    synced = [os.path.basename(path) for what, path in journal.notes[:first] if what == "synced"]
    assert sorted(synced) == sorted([*names, "checkpoint"])  # the last: the staging folder
    # Then one after the other, each name durable before the next appears.
    expected = [
        note for name in names for note in (("appeared", f"{folder}/{name}"), ("synced", folder))
    ]
    assert journal.notes[first:] == expected


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
@pytest.mark.parametrize("suffix", ["", ".index", ".meta", ".data-00000-of-00001", "checkpoint"])
def test_a_taken_member_of_a_checkpoint_is_refused(
    kind: str, suffix: str, fixtures: Path, tmp_path: Path
) -> None:
    destination = tmp_path / "there" / "model-4"
    destination.parent.mkdir()
    taken = destination.with_name(suffix if suffix == "checkpoint" else f"model-4{suffix}")
    TAKEN[kind](taken)
    before = links_and_files(tmp_path)
    with pytest.raises(DestinationExistsError) as caught:
        tfa.save(JOBS["checkpoint into a folder"].open(fixtures), destination)
    assert caught.value.path == str(taken)
    assert links_and_files(tmp_path) == before


@pytest.mark.parametrize("kind", TAKEN)
def test_only_a_folder_is_overwritten(kind: str, fixtures: Path, tmp_path: Path) -> None:
    destination = tmp_path / "export"
    TAKEN[kind](destination)
    before = links_and_files(tmp_path)
    model = tfa.open(fixtures / "digits/saved_model")
    if kind in ("an empty folder", "a folder"):
        tfa.save(model, destination, overwrite=True)
        assert sorted(os.listdir(tmp_path)) == ["export"]
        assert sorted(os.listdir(destination)) == ["saved_model.pb", "variables"]
    else:
        with pytest.raises(DestinationExistsError):
            tfa.save(model, destination, overwrite=True)
        assert links_and_files(tmp_path) == before


def test_a_name_taken_at_the_last_moment_is_not_replaced(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(["export", "there/model-4"]):
        job = [JOBS["saved model"], JOBS["checkpoint into a folder"]][number]
        work = tmp_path / str(number)
        destination = prepare(job, work)
        taken = work / ("export" if number == 0 else "there/model-4.meta")
        real = publishing.rename_without_replacing

        def late(source: str, target: str, taken: Path = taken, real: Any = real) -> None:
            if target == str(taken):
                taken.write_text("theirs")
            real(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(publishing, "rename_without_replacing", late)
            with pytest.raises(DestinationExistsError) as caught:
                tfa.save(job.open(fixtures), destination)
        assert caught.value.path == str(taken), name
        assert taken.read_text() == "theirs"
        left = {path for path in tree(work) if not path.endswith(("notes.txt", "there"))}
        assert left == {str(taken.relative_to(work))}


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


@pytest.mark.parametrize("name", ["saved model", "checkpoint into a folder", "graph"])
def test_of_two_writers_one_wins(name: str, fixtures: Path, tmp_path: Path) -> None:
    job = JOBS[name]
    artifact = job.open(fixtures)
    _, after = outcomes(job, artifact, tmp_path / "work")
    for _ in range(10):
        destination = prepare(job, tmp_path / "work")
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
    tfa.save(JOBS["checkpoint into a folder"].open(fixtures), tmp_path / "other" / "model-4")
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
            tfa.save(JOBS["checkpoint into a folder"].open(fixtures), tmp_path / "p" / name)
    elif len(os.fsencode(name)) < 200:
        checkpoint = JOBS["checkpoint into a folder"].open(fixtures)
        tfa.save(checkpoint, tmp_path / "prefixes" / name)
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
@pytest.mark.parametrize("source", ["digits/saved_model", "digits/checkpoints", "graphs/frozen.pb"])
def test_an_impossible_name_is_an_error_of_ours(
    kind: str, source: str, fixtures: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    before = links_and_files(tmp_path)
    artifact = Job(source, "").open(fixtures)
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
        tfa.save(JOBS["checkpoint into a folder"].open(fixtures), "export/")
    with pytest.raises(DestinationExistsError, match=r"export/model\.ckpt"):
        tfa.save(JOBS["checkpoint into a folder"].open(fixtures), "export")
