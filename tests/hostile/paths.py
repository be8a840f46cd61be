"""Hostile paths: state files, and links, FIFOs and devices in place of files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.hostile.bundles import FLOAT32, entry, v1_tensor, v1_value, write_bundle, write_v1
from tests.hostile.case import Case, Read, Refused, refused
from tests.hostile.graphs import GOOD_META, saved_model

READ_W = Read({"w": [0.0]})
GOOD = [(b"w", entry())]


def bundle(folder: Path) -> None:
    write_bundle(folder, GOOD)


def outside(folder: Path) -> Path:
    """A folder beside the artifact's, with a checkpoint that is no part of it."""
    path = folder.parent / "outside"
    path.mkdir(exist_ok=True)
    (path / "notes").write_text("what is nobody's business\n" * 10)
    bundle(path)
    return path


# --- state files ---------------------------------------------------------------------------------


def quoted(path: str) -> bytes:
    escaped = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'\\"' else f"\\{byte:03o}"
        for byte in path.encode("utf-8", "surrogateescape")
    )
    return f'"{escaped}"'.encode()


def naming(path: str) -> bytes:
    return b"model_checkpoint_path: " + quoted(path) + b"\n"


def _state(text: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        bundle(folder)
        (folder / "checkpoint").write_bytes(text)

    return write


def _outside_state(path: Callable[[Path], str]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        there = outside(folder)
        (there / "m.index").rename(there / "secret.index")
        (there / "m.data-00000-of-00001").rename(there / "secret.data-00000-of-00001")
        (folder / "checkpoint").write_bytes(naming(path(there)))

    return write


def _elsewhere_and_here(folder: Path) -> None:
    bundle(folder)
    (folder / "checkpoint").write_bytes(naming(f"{outside(folder)}/m"))


BESIDE = "looked for beside the state file, where it is, as moved checkpoints are"
NOT_FOLLOWED = "a path that leads out is not followed unless asked for"
NOTHING = refused("", "no latest checkpoint")

States = tuple[tuple[str, str, Callable[[Path], None], Refused | Read, str], ...]

STATES: States = (
    (
        "absolute",
        "an absolute path",
        _outside_state(lambda there: f"{there}/secret"),
        refused("outside this folder: not followed", "no latest checkpoint"),
        NOT_FOLLOWED,
    ),
    (
        "dots",
        "a path that leads out",
        _outside_state(lambda _: "../outside/secret"),
        refused("outside this folder: not followed", "no latest checkpoint"),
        NOT_FOLLOWED,
    ),
    (
        "dots-within",
        "a path that leads out and in again",
        _outside_state(lambda there: "../outside/../outside/secret"),
        refused("outside this folder: not followed", "no latest checkpoint"),
        NOT_FOLLOWED,
    ),
    (
        "elsewhere-and-here",
        "an absolute path elsewhere, and a checkpoint of its name here",
        _elsewhere_and_here,
        READ_W,
        BESIDE,
    ),
    ("nul", "a path with NUL", _state(naming("m\0/etc/passwd")), NOTHING, ""),
    (
        "windows",
        "a path of Windows",
        _state(naming("C:\\models\\m")),
        READ_W,
        BESIDE,
    ),
    (
        "windows-unc",
        "a path on a server of Windows",
        _state(naming("\\\\server\\share\\gone")),
        NOTHING,
        "",
    ),
    ("dev-zero", "a device as checkpoint", _state(naming("/dev/zero")), NOTHING, ""),
    ("dev-stdin", "standard input as checkpoint", _state(naming("/dev/stdin")), NOTHING, ""),
    (
        "proc-self-mem",
        "this process's memory as checkpoint",
        _state(naming("/proc/self/mem")),
        NOTHING,
        "",
    ),
    ("url", "a URL", _state(naming("http://127.0.0.1:9/m")), READ_W, BESIDE),
    ("gs", "a bucket", _state(naming("gs://bucket/m")), READ_W, BESIDE),
    (
        "glob",
        "a pattern that fits a checkpoint",
        _state(naming("[m]")),
        NOTHING,
        "a pattern is a name here",
    ),
    (
        "glob-star",
        "a pattern that fits everything",
        _state(naming("*")),
        NOTHING,
        "a pattern is a name here",
    ),
    ("folder-itself", "the folder itself", _state(naming(".")), NOTHING, ""),
    (
        "state-file-itself",
        "the state file itself",
        _state(naming("checkpoint")),
        NOTHING,
        "a state file is no checkpoint",
    ),
    (
        "empty-path",
        "an empty path",
        _state(b'model_checkpoint_path: ""\n'),
        refused("no model_checkpoint_path"),
        "",
    ),
    ("empty", "an empty file", _state(b""), refused(""), ""),
    ("blank", "a file of blanks", _state(b" \n\n"), refused("no model_checkpoint_path"), ""),
    ("escape", "a name that clears the screen", _state(naming("\x1b[2J")), NOTHING, ""),
    (
        "not-utf-8",
        "a path that is not UTF-8",
        _state(b'model_checkpoint_path: "\xff"\n'),
        refused(""),
        "",
    ),
    (
        "not-utf-8-escaped",
        "the same as an escape",
        _state(b'model_checkpoint_path: "\\377"\n'),
        refused(""),
        "",
    ),
    ("garbage", "garbage", _state(b"\xff\xfe\0garbage"), refused(""), ""),
    ("unknown-field", "a field there is not", _state(naming("m") + b"evil: 1\n"), refused(""), ""),
    (
        "unterminated",
        "a string without an end",
        _state(b'model_checkpoint_path: "m'),
        refused(""),
        "",
    ),
    ("nul-in-text", "NUL in the text", _state(naming("m") + b"\0"), refused(""), ""),
    (
        "twice",
        "two latest checkpoints: the last counts",
        _state(naming("gone") + naming("m")),
        READ_W,
        "",
    ),
    ("path-of-1-MiB", "a path of 1 MiB", _state(naming("x" * (1 << 20))), NOTHING, ""),
    (
        "deep-path",
        "a path of 100,000 folders",
        _state(naming("a/" * 100_000 + "m")),
        READ_W,
        BESIDE,
    ),
    (
        "many-paths",
        "100,000 paths",
        _state(
            naming("m")
            + b"".join(
                b"all_" + b"model_checkpoint_paths: " + quoted(f"gone-{n}") + b"\n"
                for n in range(100_000)
            )
        ),
        READ_W,
        "",
    ),
    (
        "messages-nested",
        "100,000 messages within each other",
        _state(b"x {" * 100_000),
        refused(""),
        "",
    ),
    (
        "unknown-nested",
        "100,000 lists within each other",
        _state(naming("m") + b"[" * 100_000),
        refused(""),
        "",
    ),
    (
        "64-MiB",
        "64 MiB of comments",
        _state(b"#" + b"x" * (1 << 26)),
        refused("a state file has"),
        "",
    ),
    (
        "4-MiB-of-comments",
        "4 MiB of comments before a path",
        _state(b"# comment\n" * 400_000 + naming("m")),
        Read(None),
        "",
    ),
    (
        "timestamp-huge",
        "a timestamp of 300 digits",
        _state(naming("m") + b"last_preserved_timestamp: " + b"9" * 300 + b"\n"),
        READ_W,
        "",
    ),
    (
        "timestamp-nan",
        "timestamps that are no numbers",
        _state(
            naming("m") + b"last_preserved_timestamp: nan\nall_model_checkpoint_timestamps: inf\n"
        ),
        READ_W,
        "",
    ),
    (
        "timestamp-digits",
        "a timestamp of a million digits",
        _state(naming("m") + b"last_preserved_timestamp: " + b"9" * 1_000_000 + b"\n"),
        Read(None),
        "",
    ),
)


# --- links, FIFOs, devices -----------------------------------------------------------------------

DATA = "m.data-00000-of-00001"


def _replace(
    name: str, make: Callable[[Path], object], write: Callable[[Path], object] = bundle
) -> Callable[[Path], None]:
    """An artifact in which something else stands in place of a file."""

    def write_and_replace(folder: Path) -> None:
        write(folder)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.unlink()
        make(path)

    return write_and_replace


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _loop(path: Path) -> None:
    path.symlink_to(path.with_name("loop"))
    path.with_name("loop").symlink_to(path)


def _link_out(name: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.symlink_to(outside(path.parent) / name)

    return make


def _folder(path: Path) -> None:
    path.mkdir()


def _sparse(size: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(size)

    return make


def _tebibyte(folder: Path) -> None:
    write_bundle(folder, [(b"w", entry((1 << 38,), FLOAT32, size=1 << 40))])


def _v1(folder: Path) -> None:
    write_v1(folder, [v1_tensor()], [v1_value()])


def _meta(folder: Path) -> None:
    (folder / "m.meta").write_bytes(GOOD_META)


def _state_m(folder: Path) -> None:
    bundle(folder)
    (folder / "checkpoint").write_bytes(naming("m"))


Links = tuple[tuple[str, str, Callable[[Path], None], str, str, Refused | Read, bool], ...]

NOT_REGULAR = refused("no regular file", "PathNotFoundError")
BLOBS = "as caches of models lay them"

LINKS: Links = (
    *(
        (
            f"index-{name}",
            f"an index that is {what}",
            _replace("m.index", make),
            "m",
            "checkpoint",
            expected,
            False,
        )
        for name, what, make, expected in (
            ("fifo", "a FIFO", os.mkfifo, NOT_REGULAR),
            ("dev-zero", "a link to /dev/zero", _link("/dev/zero"), NOT_REGULAR),
            (
                "dev-stdin",
                "a link to standard input",
                _link("/dev/stdin"),
                refused("", "PathNotFoundError"),
            ),
            (
                "proc-mem",
                "a link to this process's memory",
                _link("/proc/self/mem"),
                refused("an empty file", "NotThisFormatError"),
            ),
            (
                "loop",
                "a link to itself by way of another",
                _loop,
                refused("symbolic links", "PathNotFoundError"),
            ),
            (
                "dangling",
                "a link to nothing",
                _link("nowhere"),
                refused("no such file", "PathNotFoundError"),
            ),
            ("folder", "a folder", _folder, NOT_REGULAR),
            (
                "notes",
                "a link to another kind of file outside",
                _link_out("notes"),
                refused("expected 0x57fb808b247547db"),
            ),
            ("sparse", "1 TiB of nothing", _sparse(1 << 40), refused("an index has at most")),
        )
    ),
    *(
        (
            f"data-{name}",
            f"a data file that is {what}",
            _replace(DATA, make),
            "m",
            "checkpoint",
            expected,
            False,
        )
        for name, what, make, expected in (
            ("fifo", "a FIFO", os.mkfifo, NOT_REGULAR),
            ("dev-zero", "a link to /dev/zero", _link("/dev/zero"), NOT_REGULAR),
            (
                "proc-mem",
                "a link to this process's memory",
                _link("/proc/self/mem"),
                refused("more bytes"),
            ),
            ("loop", "a link to itself by way of another", _loop, refused("", "PathNotFoundError")),
            (
                "dangling",
                "a link to nothing",
                _link("nowhere"),
                refused("no such file", "PathNotFoundError"),
            ),
            ("folder", "a folder", _folder, NOT_REGULAR),
        )
    ),
    (
        "data-sparse",
        "1 TiB of nothing, declared as one tensor",
        _replace(DATA, _sparse(1 << 40), _tebibyte),
        "m",
        "checkpoint",
        refused("memory", "UnsupportedError"),
        False,
    ),
    (
        "index-out",
        f"an index that is a link out of the folder, {BLOBS}",
        _replace("m.index", _link_out("m.index")),
        "m",
        "checkpoint",
        READ_W,
        True,
    ),
    (
        "data-out",
        f"a data file that is a link out of the folder, {BLOBS}",
        _replace(DATA, _link_out(DATA)),
        "m",
        "checkpoint",
        READ_W,
        True,
    ),
    (
        "V1-fifo",
        "a V1 checkpoint that is a FIFO",
        _replace("m", os.mkfifo, _v1),
        "m",
        "checkpoint",
        NOT_REGULAR,
        False,
    ),
    (
        "V1-dev-zero",
        "a V1 checkpoint that is a link to /dev/zero",
        _replace("m", _link("/dev/zero"), _v1),
        "m",
        "checkpoint",
        NOT_REGULAR,
        False,
    ),
    (
        "meta-fifo",
        "a .meta that is a FIFO",
        _replace("m.meta", os.mkfifo, _meta),
        "m.meta",
        "meta",
        NOT_REGULAR,
        False,
    ),
    (
        "meta-dev-zero",
        "a .meta that is a link to /dev/zero",
        _replace("m.meta", _link("/dev/zero"), _meta),
        "m.meta",
        "meta",
        NOT_REGULAR,
        False,
    ),
    (
        "meta-sparse",
        "a .meta of 1 TiB of nothing",
        _replace("m.meta", _sparse(1 << 40), _meta),
        "m.meta",
        "meta",
        refused("expected at most", "NotThisFormatError"),
        False,
    ),
    (
        "state-fifo",
        "a state file that is a FIFO",
        _replace("checkpoint", os.mkfifo, _state_m),
        ".",
        "state",
        Read(None),
        False,
    ),
    (
        "state-dev-zero",
        "a state file that is a link to /dev/zero",
        _replace("checkpoint", _link("/dev/zero"), _state_m),
        ".",
        "state",
        Read(None),
        False,
    ),
    (
        "state-loop",
        "a state file that is a link to itself",
        _replace("checkpoint", _loop, _state_m),
        ".",
        "state",
        Read(None),
        False,
    ),
    (
        "pb-fifo",
        "a saved_model.pb that is a FIFO",
        _replace("saved_model.pb", os.mkfifo, saved_model()),
        ".",
        "saved_model",
        NOT_REGULAR,
        False,
    ),
    (
        "pb-dev-zero",
        "a saved_model.pb that is a link to /dev/zero",
        _replace("saved_model.pb", _link("/dev/zero"), saved_model()),
        ".",
        "saved_model",
        NOT_REGULAR,
        False,
    ),
    (
        "pb-loop",
        "a saved_model.pb that is a link to itself",
        _replace("saved_model.pb", _loop, saved_model()),
        ".",
        "saved_model",
        refused("", "PathNotFoundError"),
        False,
    ),
)


def cases() -> Iterator[Case]:
    for name, what, write, expected, reason in STATES:
        seconds = 30.0 if name == "many-paths" else 1.0
        yield Case("state", name, what, write, expected, ".", "state", reason, seconds=seconds)
    for name, what, write, opened, form, expected, leads_out in LINKS:
        followed = leads_out or name.endswith(("proc-mem", "notes"))
        yield Case("link", name, what, write, expected, opened, form, leads_out=followed)
