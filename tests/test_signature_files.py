"""Signatures in JSON and YAML files, and as flags: what is read, what is refused."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import tfartifacts as tfa
from tfartifacts.__main__ import run
from tfartifacts.cli.signature_files import read_signature_file
from tfartifacts.convert import SignatureNames

CLASSIFY = "tensorflow/serving/classify"
EXPECTED = {
    "serving_default": SignatureNames({"image": "myInput:0"}, {"scores": "dense/scores:0"}),
    "features": SignatureNames({"myInput": "myInput"}, {"x": "pool:0"}, CLASSIFY),
}
DOCUMENT = {
    "serving_default": {"inputs": {"image": "myInput:0"}, "outputs": ["dense/scores:0"]},
    "features": {
        "inputs": ["myInput"],
        "outputs": {"x": "pool:0"},
        "method_name": "classify",
    },
}
YAML = """
# A comment.
serving_default:
  inputs: {image: myInput:0}
  outputs:
    - dense/scores:0
features:
  inputs: [myInput]
  outputs: {"x": "pool:0"}
  method_name: classify
"""


def written(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.json", json.dumps(DOCUMENT)),
        ("s.txt", json.dumps({"signatures": DOCUMENT})),
        ("s.yaml", YAML),
        ("s.yml", "signatures:" + YAML.replace("\n", "\n  ")),
        # JSON is YAML.
        ("json.yaml", json.dumps(DOCUMENT)),
    ],
)
def test_json_and_yaml_say_the_same(tmp_path: Path, name: str, content: str) -> None:
    assert read_signature_file(written(tmp_path, name, content)) == EXPECTED


def test_a_method_name_is_for_signatures_without_one(tmp_path: Path) -> None:
    found = read_signature_file(written(tmp_path, "s.yaml", YAML), "tensorflow/serving/regress")
    assert found["serving_default"].method_name == "tensorflow/serving/regress"
    assert found["features"].method_name == CLASSIFY


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}]\n"
    for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)

WRONG: dict[str, tuple[str, str | bytes, str]] = {
    "no JSON": ("s.json", "{", "found no JSON"),
    "no YAML": ("s.yaml", "a: [", "found no YAML"),
    "a control character": ("s.yaml", b"a: \x00", "found no YAML"),
    "no UTF-8": ("s.json", b"\xff\xfe\xfd", "found no JSON"),
    "no UTF-8 in YAML": ("s.yaml", b"a: \xc3\x28", "found no YAML"),
    "nothing": ("s.yaml", "", "found no signatures"),
    "a list": ("s.json", "[]", "found no signatures"),
    "no outputs": ("s.yaml", "k: {inputs: [x]}", "found signature 'k' without outputs"),
    "a typing error": ("s.yaml", "k: {outputs: [y], input: [x]}", "found 'input' in signature 'k'"),
    "a text": ("s.yaml", "k: {outputs: y}", "found a str in signature 'k'"),
    "a number": ("s.yaml", "k: {outputs: {y: 1:0}}", "found a int 60, .*into quotes"),
    "a truth": ("s.yaml", "on: {outputs: [y]}", "found a bool True, .*into quotes"),
    "a date": ("s.yaml", "k: {outputs: [2020-01-01]}", "found a date, .*into quotes"),
    "a key that is a list": ("s.yaml", "? [a]\n: {outputs: [y]}", "found a key that is no name"),
    "a key twice": ("s.yaml", "k: {outputs: [y]}\nk: {outputs: [z]}", "found 'k' twice"),
    "a key twice in JSON": ("s.json", '{"k": {}, "k": {}}', "found 'k' twice"),
    "one key for two tensors": ("s.yaml", "k: {outputs: [a/y, b/y]}", "found the key 'y' for a/y"),
    "an object": (
        "s.yaml",
        "k: !!python/object/apply:os.system ['touch made']",
        "found no YAML .*python/object",
    ),
    "a name of Python's": ("s.yaml", "k: !!python/name:os.system", "found no YAML .*python/name"),
    "an alias": ("s.yaml", "a: &a {outputs: [y]}\nb: *a", "found an alias"),
    "a bomb": ("s.yaml", BOMB, "found an alias"),
    "a bomb of merges": ("s.yaml", "a: &a {x: y}\nb: {<<: [*a, *a]}", "found an alias"),
    "depth": ("s.yaml", "[" * 20_000, "found no YAML"),
    "depth in JSON": ("s.json", "[" * 200_000, "found no JSON"),
    "too much": ("s.yaml", "# " + "x" * (1 << 18), "found over 262144 bytes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_file_of_signatures_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    name, content, message = WRONG[case]
    path = written(tmp_path, name, content)
    monkeypatch.chdir(tmp_path)
    start = time.perf_counter()
    with pytest.raises(tfa.TfArtifactsError, match=message) as caught:
        read_signature_file(path)
    assert time.perf_counter() - start < 5
    assert not (tmp_path / "made").exists()
    if case != "one key for two tensors":
        assert isinstance(caught.value, tfa.FormatError)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--signature", "a", "--signature", "b"], "found --signature a and b, expected one"),
        (["--signature", "a -> b"], "found --signature 'a -> b', expected 'KEY: INPUT,... ->"),
        (["--signature", "k: x -> "], "expected 'KEY: INPUT,... -> OUTPUT,...'"),
        (
            ["--signature", "k: x -> y", "--signature", "k: x -> z"],
            "found --signature 'k' twice, expected it once",
        ),
        (
            ["--signature", "features: x -> y", "--spec", "s.yaml"],
            "found signature 'features' in --signature and in s.yaml, expected it once",
        ),
        (
            ["--outputs", "y", "--spec", "s.yaml"],
            "found signature 'serving_default' twice, expected it once",
        ),
        (["--spec", "gone.yaml"], "gone.yaml: no such file or folder"),
    ],
)
def test_signatures_that_contradict_are_refused(
    fixtures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    written(tmp_path, "s.yaml", YAML)
    monkeypatch.chdir(tmp_path)
    source = str(fixtures / "tensorflow-1.15" / "ref")
    assert run(["convert", source, "export", *arguments]) in (2, 3)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "export").exists()
