"""Results are there whole or not at all, whatever the source, the disk or the path do meanwhile."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

import tfartifacts as tfa
from tests.conftest import PROJECT
from tests.judges.client import Judge, environment
from tfartifacts.__main__ import run
from tfartifacts.cli.progress import TerminalProgress
from tfartifacts.convert import SavedModelOptions, convert
from tfartifacts.formats import tensor_data
from tfartifacts.opening import while_unchanged
from tfartifacts.storage import files
from tfartifacts.storage.temporary import MARK


@pytest.fixture
def source(fixtures: Path, tmp_path: Path) -> Path:
    """A checkpoint's prefix, free to be damaged."""
    shutil.copytree(fixtures / "tensorflow-1.15" / "ref", tmp_path / "source")
    return tmp_path / "source" / "model.ckpt-5"


def checkpoint(prefix: Path) -> tfa.Checkpoint:
    found = tfa.open(prefix)
    assert isinstance(found, tfa.Checkpoint)
    return found


def model_of(prefix: Path) -> tfa.SavedModel:
    return tfa.checkpoint_to_saved_model(checkpoint(prefix), {"x": "x"}, {"y": "y"})


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


# --- what is written is read again ---------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["variables.data-00000-of-00001", "variables.index", "saved_model.pb"]
)
def test_a_disk_that_changes_a_byte_is_noticed(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if os.path.basename(path) == name:
            with open(path, "r+b") as file:
                file.seek(30)
                byte = file.read(1)
                file.seek(30)
                file.write(bytes([byte[0] ^ 1]))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(tfa.FormatError):
        tfa.save(model_of(source), tmp_path / "export")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["source"]


def test_the_source_is_not_touched(source: Path, tmp_path: Path) -> None:
    before = contents(source.parent)
    times = {file: file.stat().st_mtime_ns for file in source.parent.iterdir()}
    tfa.save(model_of(source), tmp_path / "export")
    assert contents(source.parent) == before
    assert {file: file.stat().st_mtime_ns for file in source.parent.iterdir()} == times


# --- a source that changes meanwhile -------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001", ".meta"])
def test_a_source_that_is_replaced_meanwhile_is_refused(
    source: Path, tmp_path: Path, suffix: str
) -> None:
    model = model_of(source)
    file = Path(str(source) + suffix)
    shutil.copy(file, tmp_path / "other")
    os.replace(tmp_path / "other", file)
    with pytest.raises(tfa.SourceChangedError, match="changed while it was read"):
        tfa.save(model, tmp_path / "export")
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize("target", ["saved-model", "graph-def"])
@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001", ".meta"])
def test_a_source_whose_values_are_frozen_is_watched_too(
    source: Path, tmp_path: Path, suffix: str, target: str
) -> None:
    made = convert(
        checkpoint(source),
        to=target,
        inputs={"x": "x"},
        outputs={"y": "y"},
        options=SavedModelOptions(freeze=True),
    )
    file = Path(str(source) + suffix)
    shutil.copy(file, tmp_path / "other")
    os.replace(tmp_path / "other", file)
    with pytest.raises(tfa.SourceChangedError, match="changed while it was read") as caught:
        tfa.save(made, tmp_path / "made")
    assert caught.value.path == str(file)
    assert not (tmp_path / "made").exists()


def test_data_of_another_save_is_a_change_and_no_damage(source: Path, tmp_path: Path) -> None:
    model = model_of(source)
    data = Path(str(source) + ".data-00000-of-00001")
    data.write_bytes(bytes(data.stat().st_size))
    with pytest.raises(tfa.SourceChangedError) as caught:
        tfa.save(model, tmp_path / "export")
    assert isinstance(caught.value.__cause__, tfa.ChecksumError)
    # Opened again it is what it is: damaged.
    with pytest.raises(tfa.ChecksumError):
        tfa.save(model_of(source), tmp_path / "export")


def test_an_attempt_is_made_again_until_nothing_changed(source: Path, tmp_path: Path) -> None:
    changes = iter([True, True, False])

    def attempt() -> None:
        model = model_of(source)
        if next(changes):
            index = Path(str(source) + ".index")
            index.write_bytes(index.read_bytes())
        tfa.save(model, tmp_path / "export")

    while_unchanged(str(source), attempt)
    assert (tmp_path / "export" / "saved_model.pb").exists()


def test_three_attempts_are_enough(source: Path, tmp_path: Path) -> None:
    attempts = []

    def attempt() -> None:
        attempts.append(1)
        os.utime(str(source) + ".index", ns=(len(attempts), len(attempts)))
        raise tfa.FormatError("found half a save")

    with pytest.raises(tfa.SourceChangedError, match=r"3 times"):
        while_unchanged(str(source), attempt)
    assert len(attempts) == 3


def test_a_graph_that_is_saved_last_is_waited_for(source: Path, tmp_path: Path) -> None:
    """A Saver writes it after the state file names the checkpoint."""
    meta = Path(f"{source}.meta")
    meta.rename(tmp_path / "later")
    os.utime(f"{source}.index")
    later = threading.Timer(0.4, lambda: (tmp_path / "later").rename(meta))
    later.start()
    while_unchanged(str(source), lambda: tfa.save(model_of(source), tmp_path / "export"))
    later.join()
    assert (tmp_path / "export" / "saved_model.pb").exists()


@pytest.mark.parametrize(("age", "tries"), [(0, 2), (100, 1)])
def test_the_rest_of_a_save_is_waited_for_where_it_is_new(
    source: Path, tmp_path: Path, age: int, tries: int
) -> None:
    """What looks like damage in new files may be half a save; in old ones it is damage."""
    for file in source.parent.iterdir():
        os.utime(file, (time.time() - age, time.time() - age))
    left = iter([tfa.FormatError("found half a save"), None])
    attempts = []

    def attempt() -> None:
        attempts.append(1)
        if error := next(left):
            threading.Timer(0.1, (tmp_path / "source" / "rest").write_text, ["rest"]).start()
            raise error

    if tries == 2:
        while_unchanged(str(source), attempt)
    else:
        with pytest.raises(tfa.FormatError, match="half a save"):
            while_unchanged(str(source), attempt)
    assert len(attempts) == tries


def test_variables_of_a_saved_model_that_change_are_noticed(fixtures: Path, tmp_path: Path) -> None:
    export = tmp_path / "export"
    shutil.copytree(fixtures / "digits" / "saved_model", export)
    index = export / "variables" / "variables.index"
    attempts = []

    def attempt() -> None:
        attempts.append(1)
        os.utime(index, ns=(len(attempts), len(attempts)))
        raise tfa.FormatError("found half a save")

    for path in (export, export / "saved_model.pb"):
        attempts.clear()
        with pytest.raises(tfa.SourceChangedError, match=r"3 times"):
            while_unchanged(str(path), attempt)
        assert len(attempts) == 3


WRITER = """
import sys
import time
import tensorflow as tf
v1 = tf.compat.v1
v1.disable_eager_execution()
folder, same_prefix = sys.argv[1], sys.argv[2] == "same"
x = v1.placeholder(tf.float32, [1, 1], name="x")
variables = [
    v1.get_variable(f"v{n}", [20000], tf.float32, v1.zeros_initializer()) for n in range(4)
]
y = tf.add_n([tf.reduce_sum(v) for v in variables]) + x
y = tf.identity(y, name="y")
value = v1.placeholder(tf.float32, [])
assign = [v.assign(tf.fill([20000], value)) for v in variables]
saver = v1.train.Saver(max_to_keep=1)
with v1.Session() as session:
    session.run(v1.global_variables_initializer())
    print("ready", flush=True)
    step = 0
    while True:
        step += 1
        session.run(assign, {value: float(step)})
        time.sleep(0.05)
        saver.save(session, folder + "/model", global_step=None if same_prefix else step)
"""


@contextmanager
def saving(command: list[str], folder: Path) -> Iterator[None]:
    """A process that saves into a folder all the time, keeping one checkpoint."""
    folder.mkdir()
    process = subprocess.Popen(
        command,
        env=environment(),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        while not (folder / "checkpoint").exists():
            time.sleep(0.01)
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


class Races:
    """Conversions of a folder that is written all the time, and what became of them."""

    def __init__(self, live: Path, folder: Path) -> None:
        self.live = live
        self.folder = folder
        self.made = self.tries = self.refused = 0
        self.seen: set[float] = set()

    def run(self, number: int, freeze: bool = False) -> None:
        for turn in range(number):
            self.convert(self.folder / f"export-{turn}", freeze=freeze)
        told = f"{number} conversions: {self.made} made of {len(self.seen)} saves, "
        told += f"{self.tries - number} more tries, {self.refused} refused, 0 mixed"
        print(told)  # noqa: T201
        assert not [name for name in os.listdir(self.folder) if MARK in name]
        assert self.made + self.refused == number
        assert self.made > 0

    def convert(self, export: Path, *, freeze: bool) -> None:
        def attempt() -> None:
            self.tries += 1
            found = tfa.open(self.live)
            assert isinstance(found, tfa.CheckpointDirectory)
            made = tfa.checkpoint_to_saved_model(found, {"x": "x"}, {"y": "y"}, freeze=freeze)
            tfa.save(made, export)

        try:
            while_unchanged(str(self.live), attempt)
        except tfa.SourceChangedError:
            self.refused += 1
            assert not export.exists()
            return
        self.made += 1
        (value,) = values_in(export)
        self.seen.add(value)
        shutil.rmtree(export)


def values_in(export: Path) -> set[float]:
    """All values of the variables, frozen or not: one, if all are of one save."""
    model = tfa.open(export)
    assert isinstance(model, tfa.SavedModel)
    (meta_graph,) = model.meta_graphs
    if model.checkpoint is not None:
        arrays = [variable.read() for variable in model.checkpoint.variables.values()]
    else:
        constants = (meta_graph.graph[name].attrs["value"] for name in FROZEN)
        arrays = [constant.read() for constant in constants]
    assert len(arrays) >= 3
    values = {float(value) for array in arrays for value in np.unique(array)}
    # The graph that tests.saving_loop saves along says of which save it is.
    version = meta_graph.info.tensorflow_git_version
    return values | ({float(version)} if version.isdigit() else set())


FROZEN = ("net/w1", "net/b1", "net/w2")


@pytest.mark.parametrize("freeze", [False, True], ids=["", "frozen"])
@pytest.mark.parametrize("names", ["steps", "same"])
def test_saves_are_never_mixed(names: str, freeze: bool, fixtures: Path, tmp_path: Path) -> None:
    """NUM_RACES conversions in each of four ways."""
    live = tmp_path / "live"
    loop = [sys.executable, "-m", "tests.saving_loop", str(fixtures), str(live), names]
    with saving(loop, live):
        Races(live, tmp_path).run(int(os.environ.get("NUM_RACES", "20")), freeze)


@pytest.mark.parametrize("names", ["steps", "same"])
def test_saves_of_tensorflow_are_never_mixed(
    names: str, tensorflow_2_21: Judge, tmp_path: Path
) -> None:
    """NUM_RACES conversions in each of two ways."""
    live = tmp_path / "live"
    with saving([tensorflow_2_21.python, "-c", WRITER, str(live), names], live):
        Races(live, tmp_path).run(int(os.environ.get("NUM_RACES", "15")))


# --- destinations --------------------------------------------------------------------------------


def test_a_saved_model_is_replaced_in_one_step(source: Path, tmp_path: Path) -> None:
    tfa.save(model_of(source), tmp_path / "export")
    (tmp_path / "export" / "fingerprint.pb").write_bytes(b"")
    with pytest.raises(tfa.DestinationExistsError):
        tfa.save(model_of(source), tmp_path / "export")
    tfa.save(model_of(source), tmp_path / "export", overwrite=True)
    assert not (tmp_path / "export" / "fingerprint.pb").exists()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["export", "source"]


def test_a_folder_that_is_no_saved_model_is_not_replaced(source: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("all of it")
    with pytest.raises(tfa.DestinationExistsError, match="is no SavedModel"):
        tfa.save(model_of(source), tmp_path / "home", overwrite=True)
    (tmp_path / "link").symlink_to(tmp_path / "home")
    with pytest.raises(tfa.DestinationExistsError, match="is no SavedModel"):
        tfa.save(model_of(source), tmp_path / "link", overwrite=True)


SPELLINGS = {
    "as it is": "export",
    "with a slash": "export/",
    "with a dot": "./export",
    "with a dot behind": "export/.",
    "with two dots": "other/../export",
    "with a link": "link",
    "with a link and a slash": "./link/",
    "with a link on the way": "way/export",
    "with two dots behind a link": "way/inner/../export",
    "from the root": "{root}/export",
    "with many slashes": "{root}//export///",
}


@pytest.fixture
def places(fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a SavedModel in a folder that is a SavedModel, too, and links."""
    shutil.copytree(fixtures / "digits" / "saved_model", tmp_path / "export")
    shutil.copytree(fixtures / "digits" / "checkpoints", tmp_path / "export" / "runs")
    (tmp_path / "other").mkdir()
    (tmp_path / "inner").mkdir()
    (tmp_path / "link").symlink_to("export")
    (tmp_path / "way").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "saved_model.pb").write_bytes((tmp_path / "export/saved_model.pb").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_source_is_not_written_over_itself(places: Path, spelling: str) -> None:
    model = tfa.open("link")
    assert isinstance(model, tfa.SavedModel)
    before = contents(places)
    path = SPELLINGS[spelling].format(root=places)
    with pytest.raises(tfa.DestinationExistsError, match="is the source itself"):
        tfa.save(model, path, overwrite=True)
    for options in (SavedModelOptions(), SavedModelOptions(freeze=True)):
        made = convert(model, to="saved-model", options=options)
        assert isinstance(made, tfa.SavedModel)
        assert made.path is None
        with pytest.raises(tfa.ConversionError, match=r"files of the source, in .*, lie inside"):
            tfa.save(made, path, overwrite=True)
    assert contents(places) == before


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("kind", ["pruned", "frozen", "unpruned"])
def test_what_holds_the_source_is_not_written_over(places: Path, spelling: str, kind: str) -> None:
    """The source is a checkpoint, which lies below the SavedModel that is the destination."""
    made = tfa.checkpoint_to_saved_model(
        checkpoint(places / "export" / "runs" / "my_model-4"),
        freeze=kind == "frozen",
        keep_training_graph=kind == "unpruned",
    )
    before = contents(places)
    path = SPELLINGS[spelling].format(root=places)
    with pytest.raises(tfa.ConversionError, match=r"files of the source, in .*runs, lie inside"):
        tfa.save(made, path, overwrite=True)
    with pytest.raises(tfa.ConversionError, match=r"files of the source, in .*runs, lie inside"):
        tfa.save(made, places, overwrite=True)
    assert contents(places) == before


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_nothing_is_written_into_the_source(places: Path, spelling: str) -> None:
    model = tfa.open("export")
    assert isinstance(model, tfa.SavedModel)
    artifacts: list[tfa.Artifact] = [
        model,
        tfa.saved_model_to_checkpoint(model),
        convert(model, to="saved-model"),
        convert(model, to="saved-model", options=SavedModelOptions(freeze=True)),
        convert(model, to="graph-def"),
    ]
    before = contents(places)
    path = SPELLINGS[spelling].format(root=places)
    for artifact in artifacts:
        for below in ("inside", "variables/inside", "inside/deeper"):
            with pytest.raises(tfa.ConversionError, match="lies inside the source"):
                tfa.save(artifact, f"{path.rstrip('/')}/{below}")
    assert contents(places) == before


def test_where_the_source_lies_under_another_case(places: Path) -> None:
    """On a file system that takes both for one, both are one folder."""
    if not (places / "EXPORT").exists():
        (places / "EXPORT").symlink_to("export")
    model = tfa.open("export")
    assert isinstance(model, tfa.SavedModel)
    with pytest.raises(tfa.DestinationExistsError, match="is the source itself"):
        tfa.save(model, "EXPORT", overwrite=True)


def test_a_dry_run_says_what_a_run_writes(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    destination = str(tmp_path / "export")
    planned = tfa.save(model_of(source), destination, dry_run=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["source"]
    arguments = ["convert", str(source), destination, "--inputs", "x", "--outputs", "y"]
    assert run([*arguments, "--dry-run"]) == 0
    assert "would write" in capsys.readouterr().out
    assert sorted(file.name for file in tmp_path.iterdir()) == ["source"]
    assert run(arguments) == 0
    assert {file.path: file.size for file in planned.files} == {
        str(file): file.stat().st_size
        for file in (tmp_path / "export").rglob("*")
        if file.is_file()
    }


@pytest.mark.parametrize("name", ["tensorflow-1.15/part/model.ckpt-5", "v1-checkpoint/shards-3"])
def test_a_dry_run_knows_the_sizes_of_a_bundle(fixtures: Path, tmp_path: Path, name: str) -> None:
    planned = tfa.save(checkpoint(fixtures / name), tmp_path / "out" / "model", dry_run=True)
    saved = tfa.save(checkpoint(fixtures / name), tmp_path / "out" / "model")
    found = {str(file): file.stat().st_size for file in (tmp_path / "out").iterdir()}
    assert {file.path: file.size for file in planned.files} == found
    assert {file.path: file.size for file in saved.files} == found


# --- links ---------------------------------------------------------------------------------------


@pytest.fixture
def export(fixtures: Path, tmp_path: Path) -> Path:
    """A SavedModel, whose data file stays as it is in a checkpoint."""
    shutil.copytree(fixtures / "digits" / "saved_model", tmp_path / "export")
    return tmp_path / "export"


def back(export: Path) -> tfa.Checkpoint:
    model = tfa.open(export)
    assert isinstance(model, tfa.SavedModel)
    return tfa.saved_model_to_checkpoint(model)


def test_hard_links_only_when_asked_for(export: Path, tmp_path: Path) -> None:
    data = export / "variables" / "variables.data-00000-of-00001"
    tfa.save(back(export), tmp_path / "copied" / "model")
    tfa.save(back(export), tmp_path / "reflinked" / "model", link="reflink")
    assert data.stat().st_nlink == 1
    saved = tfa.save(back(export), tmp_path / "linked" / "model", link="hard")
    if "reflink" not in saved.notes[0]:
        assert (tmp_path / "linked" / "model.data-00000-of-00001").samefile(data)
        assert "shares 1 of the source's files (hard links)" in saved.notes[0]
    # An index is written anew: TensorFlow rewrites one in place where a Saver is sharded.
    index = export / "variables" / "variables.index"
    assert not (tmp_path / "linked" / "model.index").samefile(index)
    assert contents(tmp_path / "linked") == contents(tmp_path / "copied")
    assert contents(tmp_path / "reflinked") == contents(tmp_path / "copied")


def test_a_linked_file_is_checked_as_a_copied_one(export: Path, tmp_path: Path) -> None:
    data = export / "variables" / "variables.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[5] ^= 1
    data.write_bytes(content)
    with pytest.raises(tfa.ChecksumError):
        tfa.save(back(export), tmp_path / "out" / "model", link="hard")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["export"]
    assert data.read_bytes() == content


def test_a_linked_file_is_not_read_where_that_is_asked_for(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = files.stream_range

    def noted(path: str, offset: int, size: int) -> Iterator[memoryview]:
        read.append(path)
        yield from real(path, offset, size)

    tfa.save(back(export), tmp_path / "copied" / "model")
    monkeypatch.setattr(tensor_data, "stream_range", noted)
    saved = tfa.save(back(export), tmp_path / "linked" / "model", link="hard", reads_linked=False)
    assert read == []
    assert saved.notes[1].startswith("the data files that are shared were not read")
    assert contents(tmp_path / "linked") == contents(tmp_path / "copied")


def test_unread_wants_a_link(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", str(export), "somewhere", "--unread"]) == 2
    assert "found --unread, expected it with --link" in capsys.readouterr().err


def test_a_hard_linked_file_is_read_once(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    real = files.stream_range

    def counted(path: str, offset: int, size: int) -> Iterator[memoryview]:
        sizes.append(size)
        yield from real(path, offset, size)

    monkeypatch.setattr(tensor_data, "stream_range", counted)
    tfa.save(back(export), tmp_path / "copied" / "model")
    copied = sizes.copy()
    sizes.clear()
    saved = tfa.save(back(export), tmp_path / "linked" / "model", link="hard")
    times = 2 if "reflink" in saved.notes[0] else 1
    assert sorted(sizes * (2 // times)) == sorted(copied)


# --- progress ------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", [None, "hard"])
@pytest.mark.parametrize("name", ["digits/saved_model", "saved-models/two_meta_graphs"])
def test_progress_goes_to_the_end_of_each_part(
    name: str, link: str | None, fixtures: Path, tmp_path: Path
) -> None:
    shutil.copytree(fixtures / name, tmp_path / "source")
    told: list[tuple[str, int, int]] = []

    def progress(what: str, done: int, total: int) -> None:
        told.append((what, done, total))

    saved = tfa.save(
        tfa.open(tmp_path / "source"), tmp_path / "export", link=link, progress=progress
    )
    (total,) = {total for *_, total in told}
    # How long an index is, is known when it is made.
    assert total == sum(file.size for file in saved.files if not file.path.endswith(".index"))
    for what in ("writing", "checking"):
        done = [done for part, done, _ in told if part == what]
        assert done == sorted(done)
        assert (done[0], done[-1]) == (0, total)


ON_A_TERMINAL = """
import sys
from tfartifacts.__main__ import run
from tfartifacts.cli.progress import TerminalProgress

TerminalProgress.AFTER = 0.0
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["", "--json"])
def test_a_terminal_shows_how_far_it_is(options: list[str], fixtures: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    arguments = ["convert", str(fixtures / "digits" / "saved_model"), str(tmp_path / "m-1")]
    done = subprocess.run(
        [sys.executable, "-c", ON_A_TERMINAL, *arguments, *options],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        cwd=PROJECT,
        check=True,
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the end, on Linux
        while piece := os.read(ours, 1 << 16):
            shown += piece
    os.close(ours)
    assert b"\x1b" not in done.stdout
    if options:
        assert shown == b""
        return
    assert b"writing" in shown
    assert b"checking" in shown
    # At the end the line is cleared, and the cursor is back.
    assert shown.endswith(b"\x1b[2K")
    assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h") == 1


def test_a_bar_is_for_a_terminal_and_for_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with TerminalProgress() as progress:
        monkeypatch.setattr(TerminalProgress, "AFTER", 0.0)
        progress("writing", 1, 2)
        assert progress._bar is None
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with TerminalProgress(quiet=True) as progress:
        progress("writing", 1, 2)
        assert progress._bar is None
    monkeypatch.setattr(TerminalProgress, "AFTER", 60.0)
    with TerminalProgress() as progress:
        progress("writing", 1, 2)
        assert progress._bar is None
