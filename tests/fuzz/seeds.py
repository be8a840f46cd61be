"""What the fuzzer starts from: the fixtures, large ones in parts, and rare forms made here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.fuzz.mutation import assembled
from tfartifacts.errors import FormatError
from tfartifacts.formats.slices import write_extents
from tfartifacts.formats.table import EMPTY_BLOCK, open_table, write_table
from tfartifacts.formats.table_blocks import BlockBuilder
from tfartifacts.formats.wire import Message, fields, put_bytes, put_fixed32, put_integer, varint
from tfartifacts.model.variables import Extent
from tfartifacts.storage.files import BytesSource

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


def _files(*patterns: str, most: int) -> list[bytes]:
    """The files of the fixtures with such names, smallest first."""
    paths = {path for pattern in patterns for path in FIXTURES.rglob(pattern) if path.is_file()}
    found = {path.read_bytes() for path in sorted(paths) if path.stat().st_size <= most}
    return sorted(found, key=lambda data: (len(data), data))


# ---------------------------------------------------------------- tables


def literally_packed(data: bytes) -> bytes:
    """Snappy of literals alone."""
    pieces = [data[start : start + 60] for start in range(0, len(data), 60)]
    literals = b"".join(bytes(((len(piece) - 1) << 2,)) + piece for piece in pieces)
    return varint(len(data)) + literals


def blocks_of(entries: list[tuple[bytes, bytes]], per_block: int, *, packed: bool) -> bytes:
    """A table of small blocks, whose writers make large ones."""
    blocks: list[tuple[bytes, int]] = []
    keys = []
    for start in range(0, len(entries), per_block):
        builder = BlockBuilder(2)
        for key, value in entries[start : start + per_block]:
            builder.add(key, value)
        contents = builder.contents()
        blocks.append((literally_packed(contents), 1) if packed else (contents, 0))
        keys.append(builder.last_key)
    return assembled([*blocks, (EMPTY_BLOCK, 0), (b"", 0)], keys)


def tables() -> list[bytes]:
    found = _files("*.index", most=1024)
    entries = list(open_table(BytesSource("", found[-1])).entries())
    made = [
        write_table([]),
        write_table([(b"a", b"1"), (b"a\xff", b""), (b"b", b"x" * 300)]),
        write_table([(b"net/" * 40 + bytes((n,)), b"v") for n in range(20)]),
        blocks_of(entries[:9], 2, packed=False),
        blocks_of(entries[:9], 3, packed=True),
    ]
    return [*made, *found]


def blocks() -> list[bytes]:
    found = []
    for data in tables():
        for _, handle in open_table(BytesSource("", data)).index:
            contents = data[handle.offset : handle.offset + handle.size]
            if data[handle.end - 5] == 0:
                found.append(contents)
    return [
        *dict.fromkeys(found),
        EMPTY_BLOCK,
        b"\x00\x81\x01\x01" + b"k" * 130 + bytes(4) + b"\x01\x00\x00\x00",
    ]


def packed() -> list[bytes]:
    return [
        literally_packed(b"net/weights and net/biases"),
        # a literal of 4, a copy of each kind that overlaps what it makes
        varint(4 + 4 + 8 + 8) + b"\x0cabcd\x01\x01\x1e\x02\x00\x1f\x03\x00\x00\x00",
        varint(70) + b"\xf0\x45" + b"x" * 70,
        varint(64 * 3 + 1) + b"\x00x" + b"\xfe\x01\x00" * 3,
    ]


def headers() -> list[bytes]:
    found = [_header_of(data) for data in _files("*.index", most=4096)]
    return list(dict.fromkeys(found))


def _header_of(data: bytes) -> bytes:
    first = open_table(BytesSource("", data)).first_entry()
    return b"" if first is None else first[1]


def _slice_entry(sizes: Iterable[int], slices: Iterable[tuple[Extent, ...]]) -> bytes:
    shape = b"".join(put_bytes(2, put_integer(1, size)) for size in sizes)
    listed = b"".join(put_bytes(7, write_extents(extents)) for extents in slices)
    return put_integer(1, 1) + put_bytes(2, shape) + listed


def sliced() -> list[bytes]:
    whole = Extent()
    return [
        _slice_entry((), [()]),
        _slice_entry((4,), [(Extent(0, 2),), (Extent(2, 2),)]),
        _slice_entry((4, 3), [(Extent(0, 1), whole), (Extent(1, 3), whole)]),
        _slice_entry((0, 3), [(whole, whole)]),
        # five that interlock around the middle
        _slice_entry(
            (3, 3),
            [
                (Extent(0, 1), Extent(0, 2)),
                (Extent(0, 2), Extent(2, 1)),
                (Extent(2, 1), Extent(1, 2)),
                (Extent(1, 2), Extent(0, 1)),
                (Extent(1, 1), Extent(1, 1)),
            ],
        ),
        _slice_entry(
            (1 << 40, 2), [(Extent(0, 1 << 39), whole), (Extent(1 << 39, 1 << 39), whole)]
        ),
    ]


def bundles() -> list[bytes]:
    header = put_integer(1, 1) + put_bytes(3, put_integer(1, 1))
    late = put_integer(5, 4) + put_fixed32(6, 7) + put_integer(1, 1) + put_bytes(2, b"")
    odd = write_table(
        [(b"", header), (b"late fields", late), (b"short", put_integer(1, 1) + b"\x12\x00(\x04")]
    )
    found = [odd]
    for data in _files("*.index", most=4096):
        first, *entries = open_table(BytesSource("", data)).entries()
        if len(data) < 1024:
            found.append(data)
            continue
        # A few entries each: an index of all takes the fuzzer long.
        found += [
            write_table([first, *entries[start : start + 6]]) for start in range(0, len(entries), 6)
        ]
    return found


def v1_checkpoints() -> list[bytes]:
    tables = []
    for data in _files("model-*", "shards-*", "sharded-*", "all_forms", most=5000):
        try:
            entries = list(open_table(BytesSource("", data)).entries())
        except FormatError:
            continue
        if len(data) < 1024:
            tables.append(data)
        else:
            tables += _parts_of_v1(entries)
    return tables


def _parts_of_v1(entries: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """A checkpoint of a few tensors each: one of all takes the fuzzer long."""
    meta = Message(entries[0][1]).message(1)
    assert meta is not None
    rest = meta.without(1)
    tensors = {tensor.raw(1): tensor.encoded() for tensor in meta.messages(1)}
    for name, tensor in tensors.items():
        header = put_bytes(1, put_bytes(1, tensor) + rest)
        own = []
        for key, value in entries[1:]:
            saved = Message(value).message(2)
            if saved is not None and saved.raw(1) == name:
                own.append((key, value))
        yield write_table([(b"", header), *own])


# ---------------------------------------------------------------- messages


def _pieces(data: bytes, number: int, most: int) -> list[bytes]:
    """The fields of that number, as encoded fields, together at most that many bytes each time."""
    found, piece = [], b""
    for field, _, _, start, _, end in fields(data, 0, len(data)):
        if field != number or end - start > most:
            continue
        if len(piece) + end - start > most:
            found.append(piece)
            piece = b""
        piece += data[start:end]
    return [*found, piece] if piece else found


def _graph_defs() -> list[bytes]:
    """The graphs of the fixtures' meta graphs and SavedModels."""
    found = _files("frozen.pb", most=1 << 20)
    for meta_graph in _meta_graph_defs():
        graph = Message(meta_graph).message(2)
        if graph is not None:
            found.append(graph.encoded())
    return found


def _meta_graph_defs() -> list[bytes]:
    found = []
    for data in _files("*.meta", most=1 << 20):
        if not data.startswith(b"meta_info_def"):
            found.append(data)
    for data in _files("saved_model.pb", most=1 << 20):
        found += Message(data).all_bytes(2)
    return found


def graphs() -> list[bytes]:
    """A few nodes of each op there is, functions one by one, whole graphs that are small."""
    found: list[bytes] = []
    seen: set[str] = set()
    nodes: list[bytes] = []
    for data in _graph_defs():
        graph = Message(data)
        if len(data) <= 600:
            found.append(data)
        for node in graph.messages(1):
            if node.text(2) not in seen and len(node.encoded()) <= 300:
                seen.add(node.text(2))
                nodes.append(put_bytes(1, node.encoded()))
        library = graph.message(2)
        if library is not None:
            for piece in _pieces(library.encoded(), 1, 600):
                found.append(put_bytes(2, piece) + graph.without(1, 2))
    for start in range(0, len(nodes), 2):
        found.append(b"".join(nodes[start : start + 2]))
    return list(dict.fromkeys(found))


def meta_graphs() -> list[bytes]:
    """Meta graphs with a few nodes each, collections and signatures in parts."""
    found: list[bytes] = []
    small = graphs()
    for number, data in enumerate(_meta_graph_defs()):
        for field in (1, 3, 4, 5, 6, 7):
            found += _pieces(data, field, 400)[:4]
        saver = _pieces(data, 3, 500)
        signatures = _pieces(data, 5, 300)
        found.append(
            b"".join([*saver[:1], *signatures[:1], put_bytes(2, small[number % len(small)])])
        )
    return [data for data in dict.fromkeys(found) if len(data) <= 2000]


def saved_models() -> list[bytes]:
    parts = meta_graphs()
    head = put_integer(1, 1)
    found = [head + put_bytes(2, part) for part in parts]
    found.append(head + put_bytes(2, parts[0]) + put_bytes(2, parts[-1]))
    return [*found, *_files("saved_model.pb", most=700)]


def object_graphs() -> list[bytes]:
    found = []
    for data in _meta_graph_defs():
        objects = Message(data).message(7)
        if objects is not None:
            found += _pieces(objects.encoded(), 1, 400)
    for path in ("keras/ckpt-1", "lookup-table/ckpt-1"):
        found += _strings_of_bundle(FIXTURES / path)
    return [data for data in found if len(data) <= 2048]


def _strings_of_bundle(prefix: Path) -> Iterator[bytes]:
    from tfartifacts.formats.tensor_bundle import OBJECT_GRAPH_KEY, read_bundle

    variable = read_bundle(str(prefix)).variables.get(OBJECT_GRAPH_KEY)
    if variable is not None:
        yield from variable.read().ravel().tolist()


def tensor_protos() -> list[bytes]:
    """Every constant of every graph there is, one for each form; those of V1 checkpoints too."""
    found: dict[tuple[object, ...], bytes] = {}
    for data in _graph_defs():
        for node in Message(data).messages(1):
            for _, entry in node.entries(5):
                value = entry.message(2)
                tensor = None if value is None else value.message(8)
                if tensor is not None and len(tensor.encoded()) < 1000:
                    form = (*(number in tensor for number in range(1, 20)), tensor.integer(1))
                    found.setdefault(form, tensor.encoded())
    made = []
    for data in v1_checkpoints():
        entries = list(open_table(BytesSource("", data)).entries())
        meta = Message(entries[0][1]).message(1)
        for tensor in [] if meta is None else meta.messages(1):
            for _, encoded in entries[1:]:
                saved = Message(encoded).message(2)
                if saved is not None and saved.raw(1) == tensor.raw(1) and len(encoded) < 1000:
                    head = put_integer(1, tensor.integer(3)) + put_bytes(2, tensor.raw(2))
                    made.append(head + saved.raw(3))
                    break
    return [*found.values(), *dict.fromkeys(made)]


def wire_messages() -> list[bytes]:
    group = b"\x0b\x10\x05\x0c"
    made = [
        b"",
        b"\x08\x96\x01",
        group + b"\x1d\x00\x00\x80\x3f",
        b"\x0b\x13" + group + b"\x14\x0c",
        b"\x0b" * 100 + b"\x0c" * 100,
        b"\x09" + bytes(8),
        b"\x32\x04\x01\xac\x02\x03",
    ]
    some = [*graphs()[:8], *tensor_protos()[:8], *headers()[:4], *sliced()[:3]]
    return [*made, *(data for data in some if len(data) <= 1024)]


# ---------------------------------------------------------------- elements


def elements() -> list[bytes]:
    strings = b"\x03\x00\x02" + bytes(4) + b"abcde"
    variants = b"".join(bytes((n,)) + b"v" * n + bytes(4) for n in (0, 3))
    made = [
        b"\x00\x03" + strings,
        b"\x80\x03" + strings,
        b"\x01\x02" + variants,
        b"\x81\x02" + variants,
    ]
    made += [b"\x00\x01\x80\x00" + bytes(4), b"\x00\x00", b"\x01\x00", b"\x00\x00" + bytes(4)]
    return made + [bytes((2 + kind, kind % 4)) + b"\x01" * 16 for kind in range(0, 40)]


# ---------------------------------------------------------------- texts


def states() -> list[bytes]:
    made = [
        b'model_checkpoint_path: "m"  # latest\n',
        rb'model_checkpoint_path: "\"\\" last_preserved_timestamp: 1e3',
        b'model_checkpoint_path: "a" "b"\nall_model_checkpoint_paths: ["x", "y"]\n'
        b"all_model_checkpoint_timestamps: [1, 2.5]\n",
        b"model_checkpoint_path: '\\303\\251\\x41\\u00e9'",
        b'model_checkpoint_path: "\xc3\xa9"\nlast_preserved_timestamp: inf',
    ]
    return [*made, *_files("checkpoint", most=1000)]


def texts() -> list[bytes]:
    from tfartifacts.formats.schema import binary_to_text

    found = [binary_to_text("GraphDef", data) for data in graphs()[:24]]
    for data in meta_graphs()[:60:3]:
        found.append(binary_to_text("MetaGraphDef", data))
    for data in saved_models()[:20:8]:
        found.append(binary_to_text("SavedModel", data))
    found += [b"# nothing\n", b'node { name: "n" op: "NoOp" }', b"versions < producer: 0x15 >;"]
    return [text for text in found if len(text) <= 1024] + states()[:2]


def contents() -> list[bytes]:
    magics = [b"\x89HDF\r\n\x1a\n", b"PK\x03\x04" + bytes(26) + b"x.npy", b"<html>", b"\x80\x04."]
    return [
        *magics,
        *saved_models()[:10],
        *meta_graphs()[:10],
        *graphs()[:10],
        *texts()[-6:],
        *tables()[:3],
    ]
