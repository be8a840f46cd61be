"""The state file: every form of protobuf text that TensorFlow takes, and what we write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.judges.client import Judge, JudgeError
from tfartifacts.errors import FormatError
from tfartifacts.formats import schema
from tfartifacts.formats.checkpoint_state import (
    MAX_SIZE,
    STATE_FILE,
    read_checkpoint_state,
    write_checkpoint_state,
)
from tfartifacts.model.checkpoints import CheckpointState

FULL = (
    b'model_checkpoint_path: "my_model-4"\n'
    b'all_model_checkpoint_paths: "my_model-3"\n'
    b'all_model_checkpoint_paths: "my_model-4"\n'
    b"all_model_checkpoint_timestamps: 1700000000.5\n"
    b"all_model_checkpoint_timestamps: 1700000001.25\n"
    b"last_preserved_timestamp: 1700000000.125\n"
)
PATH = b'model_checkpoint_path: "m"\n'


def test_each_line_is_a_field() -> None:
    state = CheckpointState(
        "my_model-4", ("my_model-3", "my_model-4"), (1700000000.5, 1700000001.25), 1700000000.125
    )
    assert read_checkpoint_state(FULL) == state
    assert write_checkpoint_state(state) == FULL


def test_what_is_not_there_is_empty() -> None:
    assert read_checkpoint_state(PATH) == CheckpointState("m", (), (), None)
    assert write_checkpoint_state(CheckpointState("m")) == PATH


# Paths by the text they stand in; each is asked of TensorFlow, too.
FORMS: dict[str, tuple[bytes, str]] = {
    "plain": (PATH, "m"),
    "no newline at the end": (PATH.rstrip(), "m"),
    "no blank after the colon": (b'model_checkpoint_path:"m"', "m"),
    "blanks around the colon": (b'  model_checkpoint_path  :\t"m"  ', "m"),
    "single quotes": (b"model_checkpoint_path: 'a\"b'", 'a"b'),
    "strings one after the other": (b'model_checkpoint_path: "a" \'b\'\n  "c"', "abc"),
    "backslash and quote": (rb'model_checkpoint_path: "a\\b\"c"', 'a\\b"c'),
    "octal": (rb'model_checkpoint_path: "\101\7\012\1012"', "A\x07\nA2"),
    "hex": (rb'model_checkpoint_path: "\x41\x4a"', "AJ"),
    "letters": (rb'model_checkpoint_path: "\n\t\r\a\b\f\v"', "\n\t\r\a\b\f\v"),
    "UTF-8 as it is": (
        'model_checkpoint_path: "\u00e9\u65e5/\U0001f600"'.encode(),
        "\u00e9\u65e5/\U0001f600",
    ),
    "UTF-8 in octal": (rb'model_checkpoint_path: "\303\251"', "\u00e9"),
    "delete": (b'model_checkpoint_path: "a\x7fb"', "a\x7fb"),
    "line separator": ('model_checkpoint_path: "a\u2028b\x85"'.encode(), "a\u2028b\x85"),
    "comment": (b'# old: "x"\nmodel_checkpoint_path: "m#1" # new\n#', "m#1"),
    "CRLF": (b'model_checkpoint_path: "m"\r\nall_model_checkpoint_paths: "m"\r\n', "m"),
    "semicolons": (b'model_checkpoint_path: "m"; last_preserved_timestamp: 1;', "m"),
    "commas": (b'model_checkpoint_path: "m", last_preserved_timestamp: 1,', "m"),
    "one line": (b'model_checkpoint_path: "m" all_model_checkpoint_paths: "m"', "m"),
    "twice": (b'model_checkpoint_path: "a"\nmodel_checkpoint_path: "m"', "m"),
    "twice in other forms": (b"model_checkpoint_path: 'a'\nmodel_checkpoint_path: \"m\"", "m"),
    "blank lines": (b'\n\n   \nmodel_checkpoint_path: "m"\n\n', "m"),
    "pattern of shards": (b'model_checkpoint_path: "m-3-?????-of-00002"', "m-3-?????-of-00002"),
    "Windows": (rb'model_checkpoint_path: "C:\\runs\\m-1"', "C:\\runs\\m-1"),
}

# Fields beside the path: what follows PATH, what TensorFlow makes of it.
NUMBERS: dict[str, tuple[bytes, tuple[float, ...], float | None]] = {
    "integer": (b"last_preserved_timestamp: 17", (), 17.0),
    "exponent": (b"last_preserved_timestamp: 1.5e3", (), 1500.0),
    "no digit before the point": (b"last_preserved_timestamp: .5", (), 0.5),
    "no digit behind it": (b"last_preserved_timestamp: 5.", (), 5.0),
    "negative": (b"last_preserved_timestamp: -2.5", (), -2.5),
    "float suffix": (b"last_preserved_timestamp: 1.5f", (), 1.5),
    "infinite": (b"last_preserved_timestamp: -inf", (), float("-inf")),
    "infinity": (b"last_preserved_timestamp: infinity", (), float("inf")),
    "many digits": (b"last_preserved_timestamp: 1700000000.1234567", (), 1700000000.1234567),
    "twice": (b"last_preserved_timestamp: 1 last_preserved_timestamp: 2", (), 2.0),
    "list": (
        b'all_model_checkpoint_paths: ["a", "m"] all_model_checkpoint_timestamps: [1, 2.5]',
        (1.0, 2.5),
        None,
    ),
    "empty list": (b"all_model_checkpoint_timestamps: []", (), None),
}


def by_tensorflow(judge: Judge, folder: Path, text: bytes) -> dict[str, Any] | None:
    (folder / STATE_FILE).write_bytes(text)
    return judge.checkpoint_state(folder)


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_text(tensorflow: Judge, tmp_path: Path, form: str) -> None:
    text, path = FORMS[form]
    assert read_checkpoint_state(text).latest_path == path
    theirs = by_tensorflow(tensorflow, tmp_path, text)
    assert theirs is not None
    # TensorFlow joins a path that is not absolute with the folder, as ours does later on.
    assert theirs["model_checkpoint_path"] == str(tmp_path) + "/" + path


@pytest.mark.parametrize("form", NUMBERS)
def test_forms_of_numbers(tensorflow: Judge, tmp_path: Path, form: str) -> None:
    text, timestamps, last_preserved = NUMBERS[form]
    state = read_checkpoint_state(PATH + text)
    assert (state.timestamps, state.last_preserved) == (timestamps, last_preserved)
    theirs = by_tensorflow(tensorflow, tmp_path, PATH + text)
    assert theirs is not None
    assert tuple(theirs["all_model_checkpoint_timestamps"]) == timestamps
    assert theirs["last_preserved_timestamp"] == (last_preserved or 0.0)


def test_not_a_number_is_one(tensorflow: Judge, tmp_path: Path) -> None:
    text = PATH + b"last_preserved_timestamp: nan"
    preserved = read_checkpoint_state(text).last_preserved
    theirs = by_tensorflow(tensorflow, tmp_path, text)
    assert theirs is not None
    for number in (preserved, theirs["last_preserved_timestamp"]):
        assert number is not None
        assert number != number  # noqa: PLR0124 - NaN is the one that differs from itself


REFUSED: dict[str, tuple[bytes, str, int]] = {
    "unknown field": (PATH + b'latest: "m"', "found field 'latest'", 27),
    "byte order mark": (b"\xef\xbb\xbf" + PATH, "expected", 0),
    "string without end": (b'model_checkpoint_path: "m\n', "expected|String", 23),
    "newline in a string": (b'model_checkpoint_path: "a\nb"', "expected|String", 23),
    "no value": (b"model_checkpoint_path:", "found: ''", 22),
    "no colon": (b'model_checkpoint_path "m"', 'Expected ":"', 22),
    "number for a path": (b"model_checkpoint_path: 5", "found: '5'", 23),
    "path for a number": (PATH + b'last_preserved_timestamp: "x"', "expected|float", 53),
    "another kind of text": (b'node { name: "x" }', "found field 'node'", 0),
    "JSON": (b'{"model_checkpoint_path": "m"}', "expected", 0),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_tensorflow_does_not_take_is_refused_with_its_offset(
    tensorflow: Judge, tmp_path: Path, case: str
) -> None:
    text, said, offset = REFUSED[case]
    with pytest.raises(FormatError, match=said) as caught:
        read_checkpoint_state(text)
    assert caught.value.offset == offset
    # TensorFlow warns and says there is no state.
    assert by_tensorflow(tensorflow, tmp_path, text) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b'model_checkpoint_path: "\xff"', "UnicodeDecodeError"),
        (b"", "ValueError"),
        (b"# nothing\n", "ValueError"),
        (b'all_model_checkpoint_paths: "m"\n', "ValueError"),
        (b'model_checkpoint_path: ""\n', "ValueError"),
    ],
)
def test_what_tensorflow_fails_on_is_refused(
    tensorflow: Judge, tmp_path: Path, text: bytes, kind: str
) -> None:
    with pytest.raises(FormatError) as caught:
        read_checkpoint_state(text)
    assert caught.value.offset == (24 if b"\xff" in text else 0)
    with pytest.raises(JudgeError) as theirs:
        by_tensorflow(tensorflow, tmp_path, text)
    assert theirs.value.type == kind


def test_timestamps_may_be_more_than_paths(tensorflow: Judge, tmp_path: Path) -> None:
    text = PATH + b'all_model_checkpoint_paths: "m" all_model_checkpoint_timestamps: [1, 2]'
    assert read_checkpoint_state(text).timestamps == (1.0, 2.0)
    assert by_tensorflow(tensorflow, tmp_path, text) is not None


@pytest.mark.parametrize("zero", [b"0", b"0.0", b"0.", b"0e5"])
def test_a_time_of_zero_is_none(zero: bytes) -> None:
    text = PATH + b"last_preserved_timestamp: " + zero
    assert read_checkpoint_state(text).last_preserved is None


def test_megabytes_are_no_state_file() -> None:
    with pytest.raises(FormatError, match="a state file has a few hundred"):
        read_checkpoint_state(b"#" * (MAX_SIZE + 1))


WRITTEN = {
    "plain": "my_model-4",
    "quotes": 'it\'s "m"',
    "backslashes": "a\\b\\",
    "not ASCII": "\u00e9/\u65e5\u672c/\U0001f600",
    "newline and tab": "a\nb\tc\r",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f",
    "digit behind an escape": "\x017",
    "comment": "#m",
    "trigraph": "a??/b",
    "absolute": "/runs/m-1",
}


@pytest.mark.parametrize("case", WRITTEN)
def test_tensorflow_reads_what_is_written(tensorflow: Judge, tmp_path: Path, case: str) -> None:
    path = WRITTEN[case]
    state = CheckpointState(path, ("old-1", path), (1700000000.123456, 1e-7), 1e22)
    text = write_checkpoint_state(state)
    assert text.isascii()
    theirs = by_tensorflow(tensorflow, tmp_path, text)
    assert theirs is not None
    joined = path if path.startswith("/") else f"{tmp_path}/{path}"
    assert theirs["model_checkpoint_path"] == joined
    assert theirs["all_model_checkpoint_paths"] == [f"{tmp_path}/old-1", joined]
    assert theirs["all_model_checkpoint_timestamps"] == [1700000000.123456, 1e-7]
    assert theirs["last_preserved_timestamp"] == 1e22
    assert read_checkpoint_state(text) == state


def test_tensorflow_writes_the_same_text(fixtures: Path) -> None:
    for path in sorted(fixtures.rglob(STATE_FILE)):
        text = path.read_bytes()
        assert write_checkpoint_state(read_checkpoint_state(text)) == text, path


def test_real_state_files_are_read(shared_artifacts: Path) -> None:
    count = 0
    for path in sorted(shared_artifacts.rglob(STATE_FILE)):
        message = schema.text_to_binary("CheckpointState", path.read_bytes())
        expected: Any = schema.message_class("CheckpointState").FromString(message)
        state = read_checkpoint_state(path.read_bytes())
        assert state.latest_path == expected.model_checkpoint_path
        assert list(state.all_paths) == list(expected.all_model_checkpoint_paths)
        assert list(state.timestamps) == list(expected.all_model_checkpoint_timestamps)
        count += 1
    assert count > 5


paths = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10)
times = st.floats(allow_nan=False)


@given(
    paths,
    st.lists(st.tuples(paths, times), max_size=3),
    st.booleans(),
    st.none() | times.filter(bool),
)
def test_any_state_comes_back(
    latest: str, listed: list[tuple[str, float]], with_times: bool, preserved: float | None
) -> None:
    state = CheckpointState(
        latest,
        tuple(path for path, _ in listed),
        tuple(time for _, time in listed) if with_times else (),
        preserved,
    )
    assert read_checkpoint_state(write_checkpoint_state(state)) == state


PIECES = st.sampled_from(
    [
        b"model_checkpoint_path",
        b"all_model_checkpoint_paths",
        b"all_model_checkpoint_timestamps",
        b"last_preserved_timestamp",
        b": ",
        b'"m"',
        rb'"\\\""',
        b'"\xc3\xa9"',
        b"17.5",
        b"\n",
        b"\r\n",
        b" ",
        b"#",
        b'"\x01\x7f"',
    ]
)


@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_the_fast_way_and_protobuf_agree(text: bytes) -> None:
    try:
        data = schema.text_to_binary("CheckpointState", text)
    except FormatError:
        with pytest.raises(FormatError):
            read_checkpoint_state(text)
        return
    expected: Any = schema.message_class("CheckpointState").FromString(data)
    times = list(expected.all_model_checkpoint_timestamps)
    paths = list(expected.all_model_checkpoint_paths)
    if not expected.model_checkpoint_path or (times and len(times) != len(paths)):
        with pytest.raises(FormatError):
            read_checkpoint_state(text)
    else:
        state = read_checkpoint_state(text)
        assert state.latest_path == expected.model_checkpoint_path
        assert list(state.all_paths) == paths
        assert list(state.timestamps) == times
