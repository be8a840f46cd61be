"""Damaged graphs are told, never raised: every check runs to its end, whatever the bytes."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest

import tfartifacts as tfa
from tfartifacts.checks.findings import Finding
from tfartifacts.checks.fit import check_fit
from tfartifacts.checks.graphs import check_graph
from tfartifacts.checks.saved_models import check_saved_model
from tfartifacts.checks.serving import check_serving
from tfartifacts.checks.signatures import check_signatures
from tfartifacts.formats.schema import message_class

NUMBER = 150


def damaged(data: bytes, generator: random.Random) -> bytes:
    """A bit turned over, a byte set, a range zeroed, left out, doubled or put elsewhere."""
    at = generator.randrange(len(data))
    size = generator.choice((1, 2, 4, 16, 64))
    head, part, tail = data[:at], data[at : at + size], data[at + size :]
    other = generator.randrange(len(data))
    match generator.randrange(6):
        case 0:
            return data[:at] + bytes([data[at] ^ 1 << generator.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at] + bytes([generator.randrange(256)]) + data[at + 1 :]
        case 2:
            return head + bytes(len(part)) + tail
        case 3:
            return head + tail
        case 4:
            return head + part + part + tail
    return head + data[other : other + size] + tail


def everything(path: Path) -> list[Finding]:
    artifact = tfa.open(path)
    if isinstance(artifact, tfa.SavedModel):
        return [*check_saved_model(artifact), *check_serving(str(path), artifact)]
    findings = list(check_graph(artifact.graph, path=str(path)))  # type: ignore[union-attr]
    if isinstance(artifact, tfa.MetaGraph):
        findings += check_signatures(artifact, path=str(path))
        findings += check_fit(artifact, {}, path=str(path))
    return findings


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("keras/export", "saved_model.pb"),
        ("keras/saved_model", "saved_model.pb"),
        ("saved-models/two_meta_graphs", "saved_model.pb"),
        ("saved-models/text", "saved_model.pbtxt"),
        ("digits/saved_model", "saved_model.pb"),
        ("lookup-table", "model-1.meta"),
        ("graphs", "model.meta"),
        ("graphs", "frozen.pb"),
    ],
)
def test_damage_is_told_and_nothing_is_raised(
    folder: str, name: str, fixtures: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(fixtures / folder, tmp_path / "1"))
    path = copy / name
    data = path.read_bytes()
    generator = random.Random(f"{folder} 11")
    has_fingerprint = (copy / "fingerprint.pb").exists()
    original = message_class("SavedModel").FromString(data) if has_fingerprint else None
    read = told = 0
    slowest = 0.0
    for _ in range(NUMBER):
        path.write_bytes(damaged(data, generator))
        start = time.process_time()
        try:
            findings = everything(path)
        except tfa.TfArtifactsError:
            continue  # refused when it was opened
        slowest = max(slowest, time.process_time() - start)
        read += 1
        is_told = any(finding.severity.value != "note" for finding in findings)
        told += is_told
        if has_fingerprint and not is_told:
            # Entries of a map that changed places, a number written longer: the same message.
            assert message_class("SavedModel").FromString(path.read_bytes()) == original
        assert all(isinstance(str(finding), str) for finding in findings)
    assert 0 < told <= read
    assert slowest < 10
