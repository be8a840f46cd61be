"""Nodes of large graphs, checked many at once: the same is found as one by one."""

from __future__ import annotations

import mmap
import pickle
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tfartifacts.errors import FormatError
from tfartifacts.formats import node_check, node_guess, node_scan, schema
from tfartifacts.formats.graph_def import encode_graph, read_graph
from tfartifacts.formats.node_def import read_node
from tfartifacts.formats.wire import Message, Part, put_bytes, put_text
from tfartifacts.model.graphs import Graph, Node
from tfartifacts.storage.mapping import SMALL, MappedFile, read_or_map

Scan = Callable[[bytes], Graph]


def scan(data: bytes) -> Graph:
    return read_graph(Part(data, 0, len(data)))


@pytest.fixture(params=["at once", "one by one"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of looking at nodes, of which small graphs otherwise take the second."""
    at_once = request.param == "at once"
    monkeypatch.setattr(node_scan, "LARGE", 0 if at_once else 1 << 30)
    monkeypatch.setattr(node_check, "worth_it", lambda num_nodes: at_once and num_nodes > 0)
    monkeypatch.setattr(node_guess, "worth_it", lambda num_nodes: at_once and num_nodes > 0)
    monkeypatch.setattr(node_scan, "_AT_ONCE", 2_000)
    monkeypatch.setattr(node_guess, "_AT_ONCE", 1_000)
    return str(request.param)


def usual(number: int, attr: bytes = bytes.fromhex("0a0154 12023001")) -> bytes:
    node = put_text(1, f"scope/node_{number}") + put_text(2, "Add")
    node += put_text(3, f"scope/node_{number - 1}:1") + put_text(3, "^a")
    return put_bytes(1, node + put_text(4, "/cpu" * (number % 2)) + put_bytes(5, attr))


ODD = {
    "full type": put_text(1, "y") + put_text(2, "Add") + put_bytes(7, b"\x08\x01"),
    "op first": put_text(2, "Add") + put_text(1, "y"),
    "device before an input": put_text(1, "y") + put_text(2, "Add") + b'"\1d\x1a\1x',
    "two names": put_text(1, "x") + put_text(1, "y") + put_text(2, "Add"),
    "empty device": put_text(1, "y") + put_text(2, "Add") + b'"\0',
    "long length": b"\x0a\x81\x00y" + put_text(2, "Add"),
    "long tag": b"\x8a\x00\x01y" + put_text(2, "Add"),
    "large constant": put_text(1, "y") + put_text(2, "Const") + put_bytes(5, b"\x12" * 20_000),
}


@pytest.mark.parametrize("odd", ODD)
def test_nodes_out_of_the_ordinary_are_read_as_protobuf_reads_them(how: str, odd: str) -> None:
    nodes = [usual(number) for number in range(100)]
    data = b"".join([*nodes[:50], put_bytes(1, ODD[odd]), *nodes[50:]])
    graph = scan(data)
    parsed: Any = schema.message_class("GraphDef").FromString(b"".join(nodes))
    expected = parsed.node
    found = [node for position, node in enumerate(graph) if position != 50]
    assert [(n.name, n.op, n.inputs, n.device) for n in found] == [
        (n.name, n.op, tuple(n.input), n.device) for n in expected
    ]
    alone = read_node(ODD[odd], 0, len(ODD[odd]))
    node = graph.nodes[50]
    assert (node.name, node.op, node.inputs, node.device) == (
        *(alone.name, alone.op, alone.inputs),
        alone.device,
    )
    assert node.unknown_fields == alone.unknown_fields
    assert all(node.attrs["T"].name == "float32" for node in found)
    assert list(graph.names_and_ops()) == [(node.name, node.op) for node in graph]
    assert b"".join(encode_graph(graph)) == data


def test_other_fields_between_nodes_are_carried(how: str) -> None:
    nodes = b"".join(usual(number) for number in range(60))
    versions = put_bytes(4, b"\x08\x16")
    unknown = put_bytes(9, b"none of ours")
    graph = scan(nodes + versions + nodes + unknown + nodes)
    assert len(graph) == 180
    assert graph.versions.producer == 22
    assert b"".join(encode_graph(graph)) == nodes * 3 + versions + unknown


@pytest.mark.parametrize("cut", ["0a", "0a80", "0a8001", "18", "0a05 0a01", "1a8080", "0d0000"])
def test_a_graph_that_is_cut_is_told_where(how: str, cut: str) -> None:
    data = usual(1) * 40
    for whole, missing in ((b"", 0), (data, len(data))):
        with pytest.raises(FormatError) as caught:
            scan(whole + bytes.fromhex(cut))
        with pytest.raises(FormatError) as expected:
            Message(whole + bytes.fromhex(cut))
        assert str(caught.value) == str(expected.value)
        assert caught.value.offset is not None
        assert caught.value.offset >= missing


def test_positions_of_nodes_are_those_of_a_sequence(how: str) -> None:
    nodes = scan(usual(1) + usual(2) + usual(3)).nodes
    assert [nodes[position].name for position in (0, -1)] == ["scope/node_1", "scope/node_3"]
    assert [node.inputs for node in nodes[1:]] == [nodes[1].inputs, nodes[2].inputs]
    for position in (3, -4):
        with pytest.raises(IndexError):
            nodes[position]


@pytest.mark.parametrize("part", [slice(None, None, -1), slice(5, 2, -1), slice(2, 9), slice(0, 0)])
def test_any_part_of_the_nodes_is_pickled(part: slice) -> None:
    fields = [
        put_bytes(1, put_text(1, f"n{n}") + put_text(2, "Op") + put_text(3, f"i{n}"))
        for n in range(9)
    ]
    nodes = scan(b"".join(fields)).nodes[part]
    copies = pickle.loads(pickle.dumps(nodes))
    assert [(node.name, node.inputs) for node in copies] == [
        (node.name, node.inputs) for node in nodes
    ]


def test_damage_is_told_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"".join(usual(number) for number in range(200)) + put_bytes(4, b"\x08\x16")
    chance = random.Random(5)
    monkeypatch.setattr(node_scan, "_AT_ONCE", 2_000)
    monkeypatch.setattr(node_guess, "_AT_ONCE", 1_000)
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 3))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        said = []
        for at_once in (True, False):
            monkeypatch.setattr(node_scan, "LARGE", 0 if at_once else 1 << 30)
            for module in (node_guess, node_check):
                monkeypatch.setattr(module, "worth_it", lambda _, at_once=at_once: at_once)
            try:
                found: object = [replace(node, attrs={}) for node in scan(bytes(damaged))]
            except FormatError as error:
                found = str(error)
            said.append(found)
        assert said[0] == said[1]


def test_a_guess_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_guess, "worth_it", lambda num_nodes: num_nodes > 0)
    monkeypatch.setattr(node_guess, "_AT_ONCE", 1_000)
    # An attribute that holds what looks like nodes, many times over.
    inside = put_bytes(5, put_text(1, "text") + put_bytes(2, put_bytes(2, usual(1) * 3)))
    deceiving = put_bytes(1, put_text(1, "y") + put_text(2, "Add") + inside)
    other = put_bytes(9, usual(1) * 3)
    for piece in (deceiving, other):
        data = (usual(1) * 10 + piece) * 20
        names: list[str] = []
        begun = node_guess.take_nodes(data, 0, len(data), 1, names, [])
        graph = scan(data)
        assert len(graph) == 20 * (11 if piece is deceiving else 10)
        assert names == [node.name for node in graph][: len(names)]
        assert begun < len(data)
        assert b"".join(encode_graph(graph)) == (
            data if piece is deceiving else usual(1) * 200 + other * 20
        )


def test_only_nodes_in_usual_form_are_taken_at_once() -> None:
    run = usual(1) + usual(2)
    assert node_check.names_and_ops(run, 1) == (["scope/node_1", "scope/node_2"], ["Add", "Add"])
    assert node_check.names_and_ops(run, 3) is None
    for name, odd in ODD.items():
        found = node_check.names_and_ops(run + put_bytes(1, odd), 1)
        assert (found is not None) == (name in ("large constant", "full type")), name
    for nameless in (put_text(1, "y"), put_text(2, "Add"), b"", b"\x0a\x02\xff\xff\x12\x01a"):
        assert node_check.names_and_ops(run + put_bytes(1, nameless), 1) is None


def test_a_node_of_a_file_is_equal_to_one_made_here() -> None:
    read = next(iter(scan(usual(1))))
    made = Node("scope/node_1", "Add", ("scope/node_0:1", "^a"), "/cpu", dict(read.attrs))
    assert read.name == made.name
    assert read == replace(made, attrs=read.attrs)
    assert pickle.loads(pickle.dumps(read)).inputs == made.inputs
    assert repr(read).startswith("Node(name='scope/node_1', op='Add', inputs=('scope/node_0:1',")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        read.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_a_large_file_is_mapped_and_pickled_as_its_bytes(tmp_path: Path) -> None:
    large, small = tmp_path / "large.pb", tmp_path / "small.pb"
    constant = put_text(1, "c") + put_text(2, "Const") + put_bytes(5, bytes(SMALL))
    large.write_bytes(put_bytes(1, constant) + usual(1))
    small.write_bytes(usual(1))
    assert isinstance(read_or_map(str(large)), MappedFile)
    assert isinstance(read_or_map(str(small)), bytes)
    graph = tfa.open(large)
    assert isinstance(graph, Graph)
    copy = pickle.loads(pickle.dumps(graph))
    assert [node.inputs for node in copy] == [(), ("scope/node_0:1", "^a")]
    assert b"".join(map(bytes, encode_graph(copy))) == large.read_bytes()
    assert isinstance(read_or_map(str(large)), mmap.mmap)
