"""Manifests: every byte of an artifact's files is vouched for, and no loader takes notice."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tfartifacts as tfa
from tests.judges.client import Judge
from tests.operations import tree
from tfartifacts.__main__ import run
from tfartifacts.checks.findings import Finding, Severity
from tfartifacts.checks.manifests import check_manifest
from tfartifacts.convert.editing import add_signature
from tfartifacts.formats.manifest import (
    KINDS,
    MAX_SIZE,
    TOOL,
    manifest_path,
    read_manifest,
    write_manifest,
)
from tfartifacts.formats.saved_model import encode_saved_model
from tfartifacts.formats.schema import binary_to_text
from tfartifacts.model.manifests import SAVED_MODEL_MANIFEST, Manifest, ManifestEntry
from tfartifacts.opening import members, open_saved_model
from tfartifacts.opening.manifests import find_manifest
from tfartifacts.saving import manifests as saving_manifests
from tfartifacts.saving import rewrite
from tfartifacts.storage.files import describe_file
from tfartifacts.storage.hashing import sha256_sums

FEED = {"x": np.ones([2, 4], np.float32)}
SUM = hashlib.sha256(b"").hexdigest()


@pytest.fixture
def model(fixtures: Path, tmp_path: Path) -> Path:
    """A SavedModel, which both TensorFlows load, with a file in assets.extra."""
    source = tfa.open(fixtures / "tensorflow-1.15" / "ref" / "model.ckpt-5")
    assert isinstance(source, tfa.Checkpoint)
    tfa.save(tfa.checkpoint_to_saved_model(source, {"x": "x"}, {"y": "y"}), tmp_path / "export")
    return tmp_path / "export"


@pytest.fixture
def runs(fixtures: Path, tmp_path: Path) -> Path:
    """A folder of three checkpoints."""
    shutil.copytree(fixtures / "digits" / "checkpoints", tmp_path / "runs")
    return tmp_path / "runs"


def findings(path: Path, kind: str) -> list[Finding]:
    return list(check_manifest(str(path), kind))


def codes(path: Path, kind: str) -> list[tuple[str, str]]:
    return [(each.code, each.name) for each in findings(path, kind)]


# --- the format ----------------------------------------------------------------------------------

KNOWN = b"""{
  "files": [
    {
      "name": "a/b",
      "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "size": 0
    },
    {
      "name": "\\udcff \\u00e9",
      "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "size": 0
    }
  ],
  "kind": "checkpoint",
  "schema": 1,
  "tool": "tfartifacts 0.1.0"
}
"""


def test_it_is_json_in_ascii_sorted_by_the_bytes_of_names() -> None:
    files = (ManifestEntry("\udcff \u00e9", 0, SUM), ManifestEntry("a/b", 0, SUM))
    assert write_manifest(Manifest("checkpoint", files, "tfartifacts 0.1.0")) == KNOWN
    assert read_manifest(KNOWN).files == files[::-1]


names = st.lists(
    st.binary(min_size=1, max_size=6)
    .filter(lambda part: not set(part) & set(b"/\\\0") and part not in (b".", b".."))
    .map(os.fsdecode),
    min_size=1,
    max_size=3,
).map("/".join)
entries = st.builds(
    ManifestEntry,
    names,
    st.integers(0, (1 << 63) - 1),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
)


@given(
    st.sampled_from(KINDS),
    st.lists(entries, max_size=4, unique_by=lambda entry: entry.name),
    st.text(st.characters(codec="utf-8"), max_size=5),
)
def test_any_manifest_comes_back(kind: str, files: list[ManifestEntry], tool: str) -> None:
    files.sort(key=lambda entry: os.fsencode(entry.name))
    found = Manifest(kind, tuple(files), tool)
    data = write_manifest(found)
    assert data.isascii()
    assert read_manifest(data) == found


def changed(**keys: Any) -> bytes:
    return json.dumps({**json.loads(KNOWN), **keys}).encode()


def of_file(**keys: Any) -> bytes:
    return changed(files=[{"name": "a", "size": 0, "sha256": SUM, **keys}])


REFUSED = {
    "empty": (b"", "found what is no JSON"),
    "no JSON": (b"sha256sum of", "found what is no JSON"),
    "cut off": (KNOWN[:-5], "found what is no JSON"),
    "not ASCII": (KNOWN.replace(b"a/b", b"\xc3\xa9"), "found byte 0xc3, expected JSON in ASCII"),
    "a list": (b"[]", "found no JSON object"),
    "a number": (b"7", "found no JSON object"),
    "later schema": (changed(schema=2), "found schema 2, expected 1; a newer"),
    "schema true": (changed(schema=True), "found schema True"),
    "no schema": (b"{}", "found schema None"),
    "further key": (changed(signed=1), "found key 'signed' in the manifest"),
    "key missing": (b'{"schema": 1, "kind": "checkpoint", "files": []}', "found no key 'tool'"),
    "key twice": (b'{"schema": 1, "schema": 1}', "found a key twice"),
    "other kind": (changed(kind="keras"), "found kind 'keras', expected one of saved-model"),
    "kind a list": (changed(kind=[]), "found kind \\[\\]"),
    "files an object": (changed(files={}), "of another type"),
    "tool a number": (changed(tool=1), "of another type"),
    "file a string": (changed(files=["a"]), "found no object for file 0"),
    "further key of a file": (of_file(mode=7), "found key 'mode' in file 0"),
    "name a number": (of_file(name=1), "found the name 1 of file 0"),
    "absolute": (of_file(name="/etc/passwd"), "expected a name below"),
    "upwards": (of_file(name="a/../../b"), "expected a name below"),
    "dot": (of_file(name="./a"), "expected a name below"),
    "empty name": (of_file(name=""), "expected a name below"),
    "slash at the end": (of_file(name="a/"), "expected a name below"),
    "NUL": (of_file(name="a\0"), "a NUL byte or a backslash"),
    "backslash": (of_file(name="..\\a"), "a NUL byte or a backslash"),
    "half a surrogate pair": (of_file(name="\ud83d"), "expected UTF-8, or single bytes"),
    "size a string": (of_file(size="0"), "found the size '0'"),
    "size true": (of_file(size=True), "found the size True"),
    "negative": (of_file(size=-1), "found the size -1"),
    "too large": (of_file(size=1 << 63), "found the size 9223372036854775808"),
    "fraction": (of_file(size=0.5), "found the number '0.5', expected whole ones"),
    "NaN": (of_file(size=float("nan")), "found the number 'NaN'"),
    "a million digits": (KNOWN.replace(b": 0", b": " + b"1" * 10**6), "of 1000000 digits"),
    "short sum": (of_file(sha256="00"), "found the sha256 '00'"),
    "sum in capitals": (of_file(sha256=SUM.upper()), "expected 64 hexadecimal digits"),
    "file twice": (
        changed(files=[json.loads(KNOWN)["files"][0]] * 2),
        "found 'a/b' twice among the files",
    ),
    "nested": (b"[" * 100_000, "nests too deep"),
    "megabytes": (b" " * (MAX_SIZE + 1), "a manifest has at most"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_manifest_is_refused(case: str) -> None:
    data, said = REFUSED[case]
    with pytest.raises(tfa.FormatError, match=said):
        read_manifest(data)


@given(st.data())
def test_damage_never_raises_anything_else(data: st.DataObject) -> None:
    damaged = bytearray(KNOWN)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_manifest(bytes(damaged))
    except tfa.FormatError:
        return


def test_what_a_manifest_cannot_hold_is_not_written() -> None:
    with pytest.raises(tfa.ConversionError, match=r"'a\\\\b': .* backslash, .*; rename it"):
        write_manifest(Manifest("checkpoint", (ManifestEntry("a\\b", 0, SUM),)))
    many = tuple(ManifestEntry(f"{number:0200}", 0, SUM) for number in range(20_000))
    with pytest.raises(tfa.ConversionError, match="found 20000 files, whose manifest takes"):
        write_manifest(Manifest("checkpoint", many))


# --- where it is, what it covers -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "place", "kind", "covered"),
    [
        (
            "digits/saved_model",
            f"digits/saved_model/{SAVED_MODEL_MANIFEST}",
            "saved-model",
            {"saved_model.pb", "variables/variables.index"},
        ),
        (
            "saved-models/two_meta_graphs/saved_model.pb",
            f"saved-models/two_meta_graphs/{SAVED_MODEL_MANIFEST}",
            "saved-model",
            {"saved_model.pb", "variables/variables.index"},
        ),
        (
            "digits/checkpoints/my_model-4.meta",
            "digits/checkpoints/my_model-4.manifest.json",
            "checkpoint",
            {"my_model-4.index", "my_model-4.data-00000-of-00001", "my_model-4.meta"},
        ),
        (
            "partitioned/partitioned",
            "partitioned/partitioned.manifest.json",
            "checkpoint",
            {
                "partitioned.index",
                "partitioned.data-00000-of-00002",
                "partitioned.data-00001-of-00002",
            },
        ),
        (
            "v1-checkpoint/model-3",
            "v1-checkpoint/model-3.manifest.json",
            "checkpoint",
            {"model-3", "model-3.meta"},
        ),
        (
            "v1-checkpoint/shards-3-00001-of-00003",
            "v1-checkpoint/shards-3.manifest.json",
            "checkpoint",
            {f"shards-3-0000{number}-of-00003" for number in range(3)} | {"shards-3.meta"},
        ),
        ("graphs/frozen.pb", "graphs/frozen.pb.manifest.json", "graph-def", {"frozen.pb"}),
        (
            "graphs/model.text.meta",
            "graphs/model.text.meta.manifest.json",
            "meta-graph",
            {"model.text.meta"},
        ),
    ],
)
def test_each_kind_has_its_place(
    fixtures: Path, tmp_path: Path, path: str, place: str, kind: str, covered: set[str]
) -> None:
    shutil.copytree(fixtures, tmp_path / "fixtures")
    before = tree(tmp_path / "fixtures")
    (saved,) = tfa.write_manifest(tmp_path / "fixtures" / path)
    assert saved.file.path == str(tmp_path / "fixtures" / place)
    found = tree(tmp_path / "fixtures")
    assert found.keys() - before.keys() - {os.path.dirname(place)} == {place}
    assert {name: found[name] for name in before} == before
    manifest = read_manifest(Path(saved.file.path).read_bytes())
    assert manifest == saved.manifest
    assert (manifest.kind, manifest.tool) == (kind, TOOL)
    assert covered <= {entry.name for entry in manifest.files}
    if kind == "checkpoint":
        assert covered == {entry.name for entry in manifest.files}
    folder = Path(saved.path) if kind == "saved-model" else Path(saved.path).parent
    for entry in manifest.files:
        data = (folder / entry.name).read_bytes()
        assert (entry.size, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert codes(Path(saved.path), kind) == [("manifest-checked", "")]
    assert find_manifest(saved.path, kind) == saved.file.path


def test_a_folder_gets_one_for_each_checkpoint_or_the_latest_alone(runs: Path) -> None:
    (latest,) = tfa.write_manifest(runs, latest=True)
    assert latest.path == str(runs / "my_model-4")
    found = tfa.write_manifest(runs)
    assert [Path(saved.path).name for saved in found] == ["my_model-2", "my_model-3", "my_model-4"]
    assert [saved.unchanged for saved in found] == [False, False, True]


def test_a_meta_file_is_covered_by_its_checkpoints_manifest(runs: Path) -> None:
    tfa.write_manifest(runs / "my_model-4")
    meta = runs / "my_model-4.meta"
    assert find_manifest(str(meta), "meta-graph") == str(runs / "my_model-4.manifest.json")
    assert codes(meta, "meta-graph") == [("manifest-checked", "")]
    meta.write_bytes(meta.read_bytes()[:-1] + b"\0")
    assert codes(meta, "meta-graph") == [("manifest-checksum", "my_model-4.meta")]


def test_assets_of_a_checkpoint_are_covered(fixtures: Path, tmp_path: Path) -> None:
    source = open_saved_model(fixtures / "saved-models" / "two_meta_graphs")
    tfa.save(tfa.saved_model_to_checkpoint(source, {"serve"}), tmp_path / "runs" / "model-9")
    (saved,) = tfa.write_manifest(tmp_path / "runs" / "model-9")
    assets = [entry.name for entry in saved.manifest.files if "assets" in entry.name]
    assert assets
    (tmp_path / "runs" / assets[0]).write_bytes(b"other")
    assert ("manifest-size", assets[0]) in codes(tmp_path / "runs" / "model-9", "checkpoint")


def test_names_that_are_not_utf_8_come_back(model: Path) -> None:
    name = b"debug\xff"
    (model / os.fsdecode(name)).write_bytes(b"x")
    (saved,) = tfa.write_manifest(model)
    assert os.fsdecode(name) in [entry.name for entry in saved.manifest.files]
    assert codes(model, "saved-model") == [("manifest-checked", "")]
    (model / os.fsdecode(name)).unlink()
    assert codes(model, "saved-model") == [("manifest-missing-file", os.fsdecode(name))]


def test_the_same_files_give_the_same_bytes(model: Path, tmp_path: Path) -> None:
    (first,) = tfa.write_manifest(model)
    shutil.copytree(model, tmp_path / "other")
    for path in (tmp_path / "other").rglob("*"):
        os.utime(path, (1, 1))
    (tmp_path / "other" / SAVED_MODEL_MANIFEST).unlink()
    (second,) = tfa.write_manifest(tmp_path / "other")
    assert Path(first.file.path).read_bytes() == Path(second.file.path).read_bytes()


# --- nobody else minds ---------------------------------------------------------------------------


def outputs(judge: Judge, model: Path) -> list[bytes]:
    found = [
        judge.run_saved_model_v1(model, ["serve"], FEED, signature="serving_default"),
        judge.run_saved_model_v2(model, FEED),
        judge.run_saved_model_c(model, ["serve"], FEED),
    ]
    return [each["y"].tobytes() for each in found]


def signatures(judge: Judge, model: Path) -> str:
    done = judge.saved_model_cli(["show", "--dir", model, "--all"])
    assert done.returncode == 0
    # The ops that 2.21 lists come in another order each time.
    shown = done.stdout.partition("contains the following ops")[0]
    assert "signature_def['serving_default']" in shown
    return shown


def test_a_saved_model_loads_as_without(tensorflow: Judge, model: Path) -> None:
    before = outputs(tensorflow, model)
    shown = signatures(tensorflow, model)
    tfa.write_manifest(model)
    assert outputs(tensorflow, model) == before
    assert len(set(before)) == 1
    assert signatures(tensorflow, model) == shown


def test_a_keras_saved_model_loads_as_without(
    tensorflow_2_21: Judge, fixtures: Path, tmp_path: Path
) -> None:
    shutil.copytree(fixtures / "keras" / "export", tmp_path / "export")
    tfa.write_manifest(tmp_path / "export")
    values = np.load(fixtures / "keras" / "expected.npz")
    for found in (
        tensorflow_2_21.run_saved_model_v2(
            tmp_path / "export", {"features": values["x"]}, signature="serve"
        ),
        tensorflow_2_21.run_saved_model_c(
            tmp_path / "export", ["serve"], {"features": values["x"]}, signature="serve"
        ),
    ):
        assert found["output_0"].tobytes() == values["export"].tobytes()


@pytest.mark.parametrize("name", ["digits/checkpoints", "v1-checkpoint", "graphs", "lookup-table"])
def test_folders_open_as_without(
    tensorflow: Judge, fixtures: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(fixtures / name, tmp_path / "runs")
    folder = tmp_path / "runs"

    def seen() -> object:
        artifacts: list[object] = []
        for path in [folder, *sorted(before)]:
            try:
                artifact = tfa.open(path)
            except tfa.TfArtifactsError as error:
                artifacts.append(str(error))
                continue
            files = getattr(artifact, "files", None)
            parts = [artifact.path]
            if isinstance(artifact, tfa.CheckpointDirectory):
                parts += [each.path for each in (*artifact.checkpoints, *artifact.unlisted)]
            artifacts.append((artifact.kind, parts, files))
        return artifacts, tensorflow.latest_checkpoint(folder)

    before = list(folder.iterdir())
    as_it_was = seen()
    for path in ["model.meta", "frozen.pb"] if name == "graphs" else ["."]:
        tfa.write_manifest(folder / path)
    assert len(list(folder.iterdir())) > len(before)
    assert seen() == as_it_was


def test_a_manifest_that_is_opened_is_told_from_an_artifact(runs: Path) -> None:
    (saved,) = tfa.write_manifest(runs, latest=True)
    with pytest.raises(tfa.NotThisFormatError, match="found what looks like JSON"):
        tfa.open(saved.file.path)


# --- what is found -------------------------------------------------------------------------------


def test_without_a_manifest_nothing_is_said(model: Path) -> None:
    assert find_manifest(str(model), "saved-model") is None
    assert findings(model, "saved-model") == []


def test_each_fault_is_named_with_its_file(model: Path) -> None:
    (model / "a").write_bytes(b"123")
    (model / "b").write_bytes(b"123")
    (model / "c").write_bytes(b"123")
    (model / "d").write_bytes(b"123")
    tfa.write_manifest(model)
    (model / "a").unlink()
    (model / "b").write_bytes(b"1234")
    (model / "c").write_bytes(b"124")
    (model / "d").unlink()
    (model / "d").mkdir()
    (model / "e").write_bytes(b"")
    found = findings(model, "saved-model")
    assert [(each.severity.value, each.code, each.name) for each in found] == [
        ("error", "manifest-missing-file", "a"),
        ("error", "manifest-size", "b"),
        ("error", "manifest-not-a-file", "d"),
        ("error", "manifest-checksum", "c"),
        ("warning", "manifest-extra-file", "e"),
    ]
    assert [each.path for each in found] == [str(model / name) for name in "abdce"]
    assert "found 4 bytes, expected 3 by the manifest" in str(found[1])
    sums = (hashlib.sha256(data).hexdigest() for data in (b"124", b"123"))
    assert "found sha256 {}, expected {}".format(*sums) in str(found[3])


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("saved_model.pbtxt", Severity.WARNING),  # loaders look for the binary one first
        ("variables/variables.index.tmp", Severity.WARNING),
        ("assets/more.txt", Severity.WARNING),
    ],
)
def test_a_file_more_is_a_warning(model: Path, name: str, severity: Severity) -> None:
    tfa.write_manifest(model)
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(b"x")
    extra, checked = findings(model, "saved-model")
    assert (extra.code, extra.name, extra.severity) == ("manifest-extra-file", name, severity)
    assert checked.code == "manifest-checked"


def test_a_file_that_loaders_prefer_is_an_error(tensorflow: Judge, model: Path) -> None:
    """Nothing that the manifest names was touched, and yet another graph is loaded."""

    def loaded() -> bytes:
        keywords: Any = {"signature": "serving_default"}
        return tensorflow.run_saved_model_v1(model, ["serve"], FEED, **keywords)["y"].tobytes()

    edited = add_signature(
        open_saved_model(model),
        *("serving_default", {"x": "x:0"}, {"y": "x:0"}),
        replace_existing=True,
    )
    binary = (model / "saved_model.pb").read_bytes()
    (model / "saved_model.pbtxt").write_bytes(binary_to_text("SavedModel", binary))
    (model / "saved_model.pb").unlink()
    tfa.write_manifest(model)
    before = loaded()
    (model / "saved_model.pb").write_bytes(b"".join(encode_saved_model(edited)))
    assert loaded() != before
    found = findings(model, "saved-model")
    assert [(each.code, each.name) for each in found] == [
        ("manifest-extra-file", "saved_model.pb"),
        ("manifest-checked", ""),
    ]
    assert found[0].severity is Severity.ERROR


def test_an_index_beside_a_v1_checkpoint_is_an_error(
    fixtures: Path, tmp_path: Path, runs: Path
) -> None:
    shutil.copytree(fixtures / "v1-checkpoint", tmp_path / "v1")
    tfa.write_manifest(tmp_path / "v1" / "model-3")
    shutil.copy(runs / "my_model-4.index", tmp_path / "v1" / "model-3.index")
    found = findings(tmp_path / "v1" / "model-3", "checkpoint")
    assert (found[0].code, found[0].name) == ("manifest-extra-file", "model-3.index")
    assert found[0].severity is Severity.ERROR


@pytest.mark.parametrize("how", ["damaged", "folder", "link", "other kind", "FIFO"])
def test_an_unreadable_manifest_is_an_error(model: Path, tmp_path: Path, how: str) -> None:
    (saved,) = tfa.write_manifest(model)
    path = Path(saved.file.path)
    data = path.read_bytes()
    path.unlink()
    match how:
        case "damaged":
            path.write_bytes(data[:100])
        case "folder":
            path.mkdir()
        case "FIFO":
            os.mkfifo(path)
        case "link":
            (tmp_path / "manifest").write_bytes(data)
            path.symlink_to(tmp_path / "manifest")
        case _:
            path.write_bytes(write_manifest(replace(saved.manifest, kind="checkpoint")))
    (found,) = findings(model, "saved-model")
    assert (found.code, found.severity) == ("manifest-unreadable", Severity.ERROR)
    assert found.path == str(path)


def test_links_are_followed_within_the_artifact_and_no_further(model: Path, tmp_path: Path) -> None:
    """As files that were put elsewhere after the manifest was made."""
    (model / "assets").mkdir()
    (model / "assets" / "words").write_bytes(b"words")
    (model / "more").symlink_to("assets/words")
    tfa.write_manifest(model)
    assert codes(model, "saved-model") == [("manifest-checked", "")]
    (model / "assets").rename(tmp_path / "assets")
    (model / "assets").symlink_to(tmp_path / "assets")
    found = findings(model, "saved-model")
    assert [(each.code, each.name) for each in found] == [
        ("manifest-not-a-file", "assets/words"),
        ("manifest-not-a-file", "more"),
        ("manifest-extra-file", "assets"),
    ]
    assert f"a link to {tmp_path}/assets/words, outside of the artifact" in str(found[0])


FILES = (
    *("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"),
    *("assets/words", "fingerprint.pb"),
)


def mutations(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one of the usual damages; never the same ones."""
    while True:
        start = chance.randrange(len(data))
        end = min(len(data), start + chance.randint(1, 64))
        part = data[start:end]
        changed = {
            0: bytes([part[0] ^ (1 << chance.randrange(8))]) + part[1:],
            1: chance.randbytes(len(part)),
            2: bytes(len(part)),
            3: b"",
            4: part + part,
            5: part[::-1],
        }[chance.randrange(6)]
        damaged = data[:start] + changed + data[end:]
        if chance.randrange(8) == 0:
            damaged = data[:start]
        if damaged != data:
            return damaged


def test_any_damage_is_found(model: Path) -> None:
    (model / "assets").mkdir()
    (model / "assets" / "words").write_bytes(b"a\nb\nc\n")
    (model / "fingerprint.pb").write_bytes(b"\x08\x01")
    tfa.write_manifest(model)
    chance = random.Random(4)
    for number in range(500):
        name = FILES[number % len(FILES)]
        data = (model / name).read_bytes()
        (model / name).write_bytes(mutations(data, chance))
        (found,) = findings(model, "saved-model")
        assert found.name == name
        assert found.code in ("manifest-size", "manifest-checksum")
        (model / name).write_bytes(data)
    assert codes(model, "saved-model") == [("manifest-checked", "")]


def test_progress_comes_to_the_end(model: Path) -> None:
    tfa.write_manifest(model)
    told: list[tuple[str, int, int]] = []
    list(check_manifest(str(model), "saved-model", jobs=3, progress=lambda *a: told.append(a)))
    size = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    size -= (model / SAVED_MODEL_MANIFEST).stat().st_size
    assert told[-1] == ("checksums", size, size)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_an_interruption_ends_all_threads(tmp_path: Path) -> None:
    files = []
    for name in "abc":
        (tmp_path / name).write_bytes(b"")
        os.truncate(tmp_path / name, 1 << 36)  # sparse: it would take minutes
        file = describe_file(str(tmp_path / name))
        assert file is not None
        files.append(file)

    class Ended(BaseException):
        pass

    def end(what: str, done: int, total: int) -> None:
        raise Ended

    with pytest.raises(Ended):
        sha256_sums(files, jobs=3, progress=end)


# --- writing -------------------------------------------------------------------------------------


def test_one_that_does_not_fit_is_replaced_only_when_asked(model: Path) -> None:
    (saved,) = tfa.write_manifest(model)
    old = Path(saved.file.path).read_bytes()
    (model / "saved_model.pb").write_bytes(b"\x08\x01\x12\x02\x0a\x00")
    os.chmod(saved.file.path, 0o640)
    with pytest.raises(
        tfa.DestinationExistsError,
        match=r"does not fit the files that are there now \(saved_model.pb\); --overwrite replaces",
    ):
        tfa.write_manifest(model)
    assert Path(saved.file.path).read_bytes() == old
    (dry,) = tfa.write_manifest(model, overwrite=True, dry_run=True)
    assert dry.replaces
    assert Path(saved.file.path).read_bytes() == old
    (again,) = tfa.write_manifest(model, overwrite=True)
    assert Path(again.file.path).read_bytes() == write_manifest(again.manifest) != old
    assert stat.S_IMODE(os.stat(saved.file.path).st_mode) == 0o640
    assert codes(model, "saved-model") == [("manifest-checked", "")]


def test_a_dry_run_writes_nothing(model: Path) -> None:
    before = tree(model)
    (saved,) = tfa.write_manifest(model, dry_run=True)
    assert tree(model) == before
    assert saved.manifest.files


ODD: dict[str, Callable[[Path], None]] = {
    "link out": lambda path: path.symlink_to(path.parents[1] / "secret"),
    "link to nothing": lambda path: path.symlink_to(path.parent / "gone"),
    "link to a folder": lambda path: path.symlink_to(path.parent / "variables"),
    "FIFO": os.mkfifo,
}


@pytest.mark.parametrize("case", ODD)
def test_what_is_no_file_of_the_artifact_is_refused(model: Path, tmp_path: Path, case: str) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    ODD[case](model / "odd")
    before = set(tmp_path.rglob("*"))
    with pytest.raises(tfa.ConversionError, match="put the file itself in its place") as caught:
        tfa.write_manifest(model)
    assert caught.value.path == str(model / "odd")
    assert set(tmp_path.rglob("*")) == before


def test_a_file_that_changes_meanwhile_is_noticed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sums(*arguments: Any, **keywords: Any) -> Any:
        found = sha256_sums(*arguments, **keywords)
        with open(model / "saved_model.pb", "ab") as file:
            file.write(b"\x18\x01")
        return found

    monkeypatch.setattr(saving_manifests, "sha256_sums", sums)
    with pytest.raises(tfa.SourceChangedError):
        tfa.write_manifest(model)
    assert not (model / "assets.extra").exists()


def test_a_checkpoint_that_lacks_a_shard_gets_none(runs: Path) -> None:
    (runs / "my_model-3.data-00000-of-00001").unlink()
    with pytest.raises(tfa.TfArtifactsError, match=r"my_model-3\.data-00000-of-00001"):
        tfa.write_manifest(runs)
    assert not list(runs.glob("*.manifest.json"))


# --- stale ones ----------------------------------------------------------------------------------


def test_a_manifest_is_not_carried_into_a_copy(model: Path, tmp_path: Path) -> None:
    tfa.write_manifest(model)
    (model / "assets.extra" / "warmup").write_bytes(b"x")
    saved = tfa.save(tfa.open(model), tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy" / "assets.extra").iterdir()) == [
        "warmup"
    ]
    assert any(f"{SAVED_MODEL_MANIFEST} is not carried" in note for note in saved.notes)


def test_nor_into_a_conversion(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tfa.write_manifest(model)
    command = ["convert", str(model), str(tmp_path / "frozen"), "--freeze", "--to=saved-model"]
    assert run(command) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{SAVED_MODEL_MANIFEST} is not carried: it is of the source" in printed
    assert "is carried as it is" not in printed
    assert not (tmp_path / "frozen" / "assets.extra").exists()


def test_a_change_in_place_removes_it(model: Path) -> None:
    tfa.write_manifest(model)
    edited = add_signature(open_saved_model(model), "again", {"x": "x:0"}, {"y": "y:0"})
    dry = rewrite(edited, dry_run=True)
    assert (model / SAVED_MODEL_MANIFEST).exists()
    saved = rewrite(edited)
    assert saved.notes == dry.notes
    assert any(f"{SAVED_MODEL_MANIFEST} is removed" in note for note in saved.notes)
    assert not (model / SAVED_MODEL_MANIFEST).exists()
    assert findings(model, "saved-model") == []


def test_one_that_a_deleted_checkpoint_left_is_told_and_in_the_way(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As TensorFlow's Saver deletes what is too much: index, data and graph."""
    tfa.write_manifest(runs)
    source = tfa.open(runs / "my_model-4")
    for path in runs.glob("my_model-2.[!.]*"):
        if not path.name.endswith(".manifest.json"):
            path.unlink()
    with pytest.raises(tfa.DestinationExistsError) as caught:
        tfa.save(source, runs / "my_model-2")
    assert caught.value.path == str(runs / "my_model-2.manifest.json")
    assert run(["manifest", str(runs)]) == 0
    printed = capsys.readouterr().out
    assert "note: found my_model-2.manifest.json, but nothing of its checkpoint" in printed


# --- the command ---------------------------------------------------------------------------------


def test_the_command_says_what_it_wrote(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["manifest", str(runs), "--latest"]) == 0
    assert capsys.readouterr().out == (
        f"Manifests of {runs}\n"
        "  manifest                  of          files       size\n"
        "  ------------------------  ----------  -----  ---------  -------\n"
        "  my_model-4.manifest.json  checkpoint      3  146.6 KiB  written\n"
    )
    assert run(["manifest", str(runs), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("would be written") == 2
    assert printed.count("there already") == 1
    assert "nothing was written (--dry-run)" in printed


def test_json_says_the_same(runs: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["manifest", str(runs / "my_model-3"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {key: document[key] for key in ("schema", "kind", "path", "dry_run", "notes")} == {
        "schema": 1,
        "kind": "manifests",
        "path": str(runs / "my_model-3"),
        "dry_run": False,
        "notes": [],
    }
    (manifest,) = document["manifests"]
    assert manifest["manifest"] == str(runs / "my_model-3.manifest.json")
    assert manifest["num_files"] == len(manifest["files"]) == 3
    assert run(["manifest", str(runs), str(model), "--json"]) == 0
    assert [len(each["manifests"]) for each in json.loads(capsys.readouterr().out)] == [3, 1]


def bad_inputs(runs: Path, model: Path) -> Iterator[tuple[list[str], int, str]]:
    yield [str(runs / "gone")], 3, "no such file, folder or checkpoint prefix"
    (runs / "notes.npz").write_bytes(b"PK\x03\x04.npy")
    yield [str(runs / "notes.npz")], 3, "found a NumPy archive"
    index = runs / "my_model-2.index"
    index.write_bytes(index.read_bytes()[:-20])
    yield [str(index)], 4, "my_model-2.index"
    yield [str(model / "variables" / "variables")], 2, f"pass its folder, {model}"
    tfa.write_manifest(model)
    (model / "new").write_bytes(b"")
    yield [str(model)], 2, "does not fit the files that are there now (new)"
    yield [str(model), "--latests"], 2, "no such option"


def test_bad_input_is_told(runs: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, code, said in bad_inputs(runs, model):
        assert run(["manifest", *arguments]) == code
        captured = capsys.readouterr()
        assert said in captured.err
        assert not captured.out


def test_a_damaged_checkpoint_does_not_keep_the_others_from_theirs(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = runs / "my_model-3.index"
    index.write_bytes(index.read_bytes()[:-20])
    assert run(["manifest", str(runs)]) == 4
    captured = capsys.readouterr()
    assert "my_model-3.index" in captured.err
    assert sorted(path.name for path in runs.glob("*.manifest.json")) == [
        "my_model-2.manifest.json",
        "my_model-4.manifest.json",
    ]


def test_a_folder_that_cannot_be_written_to_is_told(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.mkdir

    def mkdir(path: str, *arguments: Any) -> None:
        if "assets.extra" in os.fspath(path):
            raise PermissionError(13, "Permission denied", path)
        real(path, *arguments)

    monkeypatch.setattr(os, "mkdir", mkdir)
    assert run(["manifest", str(model)]) == 74
    assert "cannot write: permission denied; nothing was published" in capsys.readouterr().err


def test_names_are_never_printed_raw(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(runs / f"my_model-4{suffix}", runs / f"\x1b[31m-5{suffix}")
    assert run(["manifest", str(runs)]) == 0
    printed = capsys.readouterr().out
    assert "\\x1b[31m-5.manifest.json" in printed
    assert "\x1b" not in printed


def test_the_path_of_each_kind() -> None:
    assert manifest_path("a/b", "saved-model") == f"a/b/{SAVED_MODEL_MANIFEST}"
    assert manifest_path("a/b-?????-of-00002", "checkpoint") == "a/b.manifest.json"
    assert manifest_path("a/b.pb", "graph-def") == "a/b.pb.manifest.json"


def test_a_folder_of_too_many_files_is_no_artifact(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "MOST_FILES", 3)
    (model / "more").write_bytes(b"")
    with pytest.raises(tfa.UnsupportedError, match="found more than 3 files below"):
        tfa.write_manifest(model)
