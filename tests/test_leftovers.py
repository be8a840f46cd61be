"""What a killed process left: ignored by readers, removed by the next save, never while in use."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import tfartifacts as tfa
from tests.conftest import PROJECT
from tests.operations import TABLES, checkpoint, tree
from tfartifacts.__main__ import run
from tfartifacts.errors import WriteError
from tfartifacts.storage import temporary
from tfartifacts.storage.temporary import MARK, remove_leftovers, staging_folder

KILLED = """
import os, signal, sys
import tfartifacts as tfa
from tfartifacts.storage import publishing

def kill(source, destination, flags):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(source, destination, flags)

rename = publishing._renameat2
left = int(sys.argv[3])
publishing._renameat2 = kill
tfa.save(tfa.open(sys.argv[1]), sys.argv[2])
"""


def kill_while_saving(source: Path, destination: Path, renames: int = 0) -> Path:
    """A process that is killed after so many renames; the temporary folder it left."""
    arguments = [sys.executable, "-c", KILLED, str(source), str(destination), str(renames)]
    done = subprocess.run(arguments, check=False, cwd=PROJECT)
    assert done.returncode == -signal.SIGKILL
    (left,) = (path for path in destination.parent.iterdir() if MARK in path.name)
    return left


def mark(machine: str | None = None, pid: int = 1, end: str = "00000000") -> str:
    return f"{MARK}{machine or temporary._machine()}-{pid}-{end}"


def save(fixtures: Path, destination: Path, *, dry_run: bool = False) -> tuple[str, ...]:
    return tfa.save(tfa.open(fixtures / TABLES), destination, dry_run=dry_run).notes


# --- readers -------------------------------------------------------------------------------------


def test_readers_do_not_see_it(fixtures: Path, tmp_path: Path) -> None:
    kill_while_saving(fixtures / TABLES, tmp_path / "export")
    shutil.copytree(fixtures / "digits" / "checkpoints", tmp_path / "runs")
    kill_while_saving(fixtures / "digits/checkpoints/my_model-2", tmp_path / "runs" / "other-9")
    with pytest.raises(tfa.NotThisFormatError):
        tfa.open(tmp_path)
    found = tfa.open(tmp_path / "runs")
    assert isinstance(found, tfa.CheckpointDirectory)
    assert found.latest is not None
    assert found.latest.prefix == str(tmp_path / "runs" / "my_model-4")
    assert len(found.checkpoints) == 3
    assert not found.unlisted
    assert not found.broken
    # Without a state file, too, where every checkpoint counts that is there.
    (tmp_path / "runs" / "checkpoint").unlink()
    found = tfa.open(tmp_path / "runs")
    assert isinstance(found, tfa.CheckpointDirectory)
    assert len(found.checkpoints) == 3


def test_a_model_with_one_in_it_is_the_same_model(fixtures: Path, tmp_path: Path) -> None:
    shutil.copytree(fixtures / TABLES, tmp_path / "model")
    before = tfa.open(tmp_path / "model")
    left = tmp_path / "model" / f".saved_model.pb{mark()}"
    left.mkdir()
    (left / "saved_model.pb").write_bytes(b"half")
    model = tfa.open(tmp_path / "model")
    assert isinstance(model, tfa.SavedModel)
    assert isinstance(before, tfa.SavedModel)
    assert model.other_files == before.other_files
    tfa.save(model, tmp_path / "copy")
    assert not [path for path in tree(tmp_path / "copy") if MARK in path]
    # Listing writes nothing; what writes there clears up.
    assert run(["signature", "list", str(tmp_path / "model")]) == 0
    assert left.exists()
    assert run(["tags", "set", str(tmp_path / "model"), "x", "--tag", "serve"]) == 0
    assert not left.exists()


# --- the next save -------------------------------------------------------------------------------


def test_the_next_save_to_the_same_place_removes_it(fixtures: Path, tmp_path: Path) -> None:
    left = kill_while_saving(fixtures / TABLES, tmp_path / "export")
    assert (left / "saved_model" / "saved_model.pb").exists()
    assert save(fixtures, tmp_path / "other") == ()
    assert left.exists()
    assert save(fixtures, tmp_path / "export", dry_run=True) == ()
    assert left.exists()
    assert save(fixtures, tmp_path / "export") == ()
    assert sorted(os.listdir(tmp_path)) == ["export", "other"]


def test_one_of_a_change_in_place_does_not_stand_in_the_way(fixtures: Path, tmp_path: Path) -> None:
    shutil.copytree(fixtures / "saved-models" / "text", tmp_path / "export")
    (tmp_path / "export" / f".saved_model.pb{mark()}").mkdir()
    tfa.save(tfa.open(fixtures / TABLES), tmp_path / "export", overwrite=True)
    assert os.listdir(tmp_path) == ["export"]
    assert sorted(os.listdir(tmp_path / "export")) == ["assets", "saved_model.pb", "variables"]


def test_a_save_that_is_refused_removes_it_as_well(fixtures: Path, tmp_path: Path) -> None:
    kill_while_saving(fixtures / TABLES, tmp_path / "export")
    (tmp_path / "export").mkdir()
    with pytest.raises(tfa.DestinationExistsError):
        save(fixtures, tmp_path / "export")
    assert os.listdir(tmp_path) == ["export"]


def test_parts_of_a_checkpoint_are_removed(fixtures: Path, tmp_path: Path) -> None:
    source = fixtures / "digits/checkpoints/my_model-4"
    (tmp_path / "mine.txt").write_text("mine")
    kill_while_saving(source, tmp_path / "model-4", renames=2)
    found = {name for name in os.listdir(tmp_path) if MARK not in name}
    assert found == {"mine.txt", "model-4.data-00000-of-00001", "model-4.meta"}
    tfa.save(checkpoint(source), tmp_path / "model-4")
    found = set(os.listdir(tmp_path))
    assert found == {"mine.txt", "checkpoint"} | {
        f"model-4{suffix}" for suffix in (".data-00000-of-00001", ".meta", ".index")
    }


def test_what_came_there_since_is_not_removed(fixtures: Path, tmp_path: Path) -> None:
    """A file of the same name, even of the same inode, that somebody else wrote."""
    source = fixtures / "digits/checkpoints/my_model-4"
    kill_while_saving(source, tmp_path / "model-4", renames=2)
    (tmp_path / "model-4.meta").unlink()
    (tmp_path / "model-4.meta").write_text("mine")
    data = tmp_path / "model-4.data-00000-of-00001"
    data.write_bytes(b"written into")
    before = {path.name: path.read_bytes() for path in (data, tmp_path / "model-4.meta")}
    with pytest.raises(tfa.DestinationExistsError):
        tfa.save(checkpoint(source), tmp_path / "model-4")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_checkpoint_all_of_whose_files_came_stays(fixtures: Path, tmp_path: Path) -> None:
    source = fixtures / "digits/checkpoints/my_model-4"
    kill_while_saving(source, tmp_path / "model-4", renames=3)
    before = {name: data for name, data in tree(tmp_path).items() if MARK not in name}
    assert "model-4.index" in before
    with pytest.raises(tfa.DestinationExistsError):
        tfa.save(checkpoint(source), tmp_path / "model-4")
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "noted",
    [
        b"",
        b"[",
        b"{}",
        b"[1]",
        b'[["model-4.meta"]]',
        b'[["model-4.meta", 0, 0, 0]]',
        b'[["../mine.txt", 0, 0, 0], ["x", 0, 0, 0]]',
    ],
)
def test_notes_that_make_no_sense_do_no_harm(noted: bytes, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    left = tmp_path / f".model-4{mark()}"
    left.mkdir()
    (left / "parts.json").write_bytes(noted)
    assert remove_leftovers(str(tmp_path / "model-4")) == ()
    assert os.listdir(tmp_path) == ["mine.txt"]


def test_notes_reach_no_other_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    status = mine.stat()
    left = tmp_path / "runs" / f".model-4{mark()}"
    left.mkdir()
    for name in ("../mine.txt", str(mine)):
        part = [name, status.st_dev, status.st_ino, status.st_mtime_ns]
        (left / "parts.json").write_text(json.dumps([part, ["model-4.index", 0, 0, 0]]))
        assert remove_leftovers(str(tmp_path / "runs" / "model-4")) == ()
        assert mine.read_text() == "mine"
        left.mkdir()


# --- what is in use, or may be -------------------------------------------------------------------


def test_one_in_use_is_never_removed(fixtures: Path, tmp_path: Path) -> None:
    destination = tmp_path / "export"
    with staging_folder(str(destination)) as staging:
        assert save(fixtures, destination) == ()
        assert os.path.isdir(staging)
        assert remove_leftovers(str(destination)) == ()
        assert os.path.isdir(staging)
    assert os.listdir(tmp_path) == ["export"]


STOPPED = """
import sys
from tfartifacts.storage.temporary import staging_folder

with staging_folder(sys.argv[1]) as staging:
    print(staging, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def in_use(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process, and the temporary folder that it uses."""
    arguments = [sys.executable, "-c", STOPPED, str(tmp_path / "export")]
    process = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )
    assert process.stdout is not None
    yield process, Path(process.stdout.readline().strip())
    process.kill()
    process.communicate()


def test_one_of_another_process_is_removed_once_that_is_gone(
    in_use: tuple[subprocess.Popen[str], Path], tmp_path: Path
) -> None:
    process, staging = in_use
    assert remove_leftovers(str(tmp_path / "export")) == ()
    assert staging.is_dir()
    process.kill()
    process.wait()
    assert staging.is_dir()
    assert remove_leftovers(str(tmp_path / "export")) == ()
    assert not staging.exists()


def test_one_of_another_machine_is_left_alone_and_told(fixtures: Path, tmp_path: Path) -> None:
    left = tmp_path / f".export{mark('0badcafe')}"
    left.mkdir()
    (note,) = save(fixtures, tmp_path / "export")
    assert note == (
        f"found {left}, which a process of another machine, or before a restart, left behind "
        "unless it still writes there; otherwise remove it"
    )
    assert left.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_one_of_another_user_is_left_alone(tmp_path: Path) -> None:
    left = tmp_path / f".export{mark()}"
    left.mkdir()
    os.chown(left, 12345, 12345)
    assert remove_leftovers(str(tmp_path / "export")) == ()
    assert left.is_dir()


OTHERS = [
    ".export2" + mark(),
    ".export" + mark() + "0",
    ".export" + mark() + ".old",
    ".export" + mark(end="0000000g"),
    ".export.tfartifacts-1-00000000",
    ".export",
    "export" + mark(),
    ".xexport" + mark(),
    ".Export" + mark(),
]


@pytest.mark.parametrize("name", OTHERS)
def test_what_only_looks_like_one_stays(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    assert remove_leftovers(str(tmp_path / "export")) == ()
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("kind", ["a file", "a link"])
def test_what_is_no_folder_stays(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f".export{mark()}"
    (tmp_path / "aim").mkdir()
    (tmp_path / "aim" / "mine.txt").write_text("mine")
    if kind == "a file":
        path.write_text("mine")
    else:
        path.symlink_to("aim", target_is_directory=True)
    before = tree(tmp_path)
    assert remove_leftovers(str(tmp_path / "export")) == ()
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["x" * 255, "[x]*?", "a\nb", "caf\udce9", "\u4e2d" * 85])
def test_any_name_can_be_cleared(name: str, fixtures: Path, tmp_path: Path) -> None:
    with staging_folder(str(tmp_path / name)) as staging:
        kept = tmp_path / "kept"
        shutil.copytree(staging, kept)
    kept.rename(staging)
    save(fixtures, tmp_path / name)
    assert os.listdir(tmp_path) == [name]


def test_saves_and_removals_at_the_same_time(fixtures: Path, tmp_path: Path) -> None:
    """Each save removes what is not in use, and never what another one uses."""
    artifact = tfa.open(fixtures / "graphs" / "frozen.pb")
    failures: list[BaseException] = []

    def save_again() -> None:
        try:
            for _ in range(40):
                with staging_folder(str(tmp_path / "frozen.pb")) as staging:
                    remove_leftovers(str(tmp_path / "frozen.pb"))
                    tfa.save(artifact, os.path.join(staging, "frozen.pb"))
        except BaseException as error:  # noqa: BLE001 - looked at where it is read
            failures.append(error)

    threads = [threading.Thread(target=save_again) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert os.listdir(tmp_path) == []


# --- locks that cannot be had --------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP])
def test_without_locks_nothing_is_removed(
    number: int, fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / f".export{mark()}"
    left.mkdir()

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    save(fixtures, tmp_path / "export")
    assert sorted(os.listdir(tmp_path)) == [left.name, "export"]


def test_a_lock_that_fails_ends_the_save(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(WriteError, match="no locks available; nothing was published"):
        save(fixtures, tmp_path / "new" / "export")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_removed_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock
    removed: list[str] = []

    def flock(descriptor: int, operation: int) -> None:
        if not removed:
            removed.append(os.readlink(f"/proc/self/fd/{descriptor}"))
            os.rmdir(removed[0])
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with staging_folder(str(tmp_path / "export")) as staging:
        assert os.path.isdir(staging)
        assert [staging] != removed
    assert os.listdir(tmp_path) == []


# --- signals -------------------------------------------------------------------------------------

WAITING = """
import sys
import tfartifacts.saving.staging as staging
from tfartifacts.__main__ import run

def wait(*_):
    print("writing", flush=True)
    sys.stdin.read()

staging._write_and_check = wait
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_ends_it_leaves_nothing(
    number: signal.Signals, fixtures: Path, tmp_path: Path
) -> None:
    arguments = ["convert", str(fixtures / "digits" / "checkpoints"), str(tmp_path / "new/export")]
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=PROJECT,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"writing\n"
        assert os.listdir(tmp_path) == ["new"]
        process.send_signal(number)
        process.wait()
        assert process.stderr.read() == b""
    # Ctrl-C is told by its exit code; the others end the process, as they would have.
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert os.listdir(tmp_path) == []
