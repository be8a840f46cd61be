"""SavedObjectGraph: the functions that the objects of a SavedModel of TensorFlow 2 offer.

    SavedObjectGraph : 1 nodes*  2 concrete_functions{} {2 bound_inputs: nodes by number}
    SavedObject      : 1 children* {1 node_id  2 local_name}
                       4 user_object {1 identifier  3 metadata}  5 asset {1 asset_file_def_index}
                       6 function {1 concrete_functions*}  8 bare_concrete_function {1 name}
                       9 constant {1 operation}  11 saveable_objects{} {2 save  3 restore}
                       13 registered_name
    bound inputs     : the last arguments of a function, captured when it was traced

A loader calls `_create_resource` and `_initialize` of every resource while it loads, and the
functions of saveable objects when it restores. Source: saved_object_graph.proto;
tensorflow/python/saved_model/load.py.
"""

from __future__ import annotations

from tfartifacts.errors import FormatError, TfArtifactsError
from tfartifacts.formats.wire import Message
from tfartifacts.records import dataclass, field

_LOADED = frozenset({"_create_resource", "_initialize", "__saved_model_init_op"})
_SIGNATURES = "signatures"
_MOST_NAMED = 8  # parts of an object's path


@dataclass(frozen=True, slots=True)
class OfferedFunction:
    """A function of the library, by its name there, that an object offers as `path`.

    `role`: "signature", "init", "saver" or "function". A signature's path is its key.
    """

    name: str
    path: str
    role: str


@dataclass(frozen=True, slots=True)
class Captured:
    """What a function captured: an asset by its number, a constant by its node, or neither."""

    asset: int | None = None
    constant: str = ""


@dataclass(frozen=True, slots=True)
class UserObject:
    """An object that a class of the program makes: Keras' layers and models above all."""

    path: str
    identifier: str
    metadata: str
    registered_name: str


@dataclass(slots=True)
class SavedFunctions:
    """`captured` has what a function's last arguments are bound to, by its name."""

    functions: list[OfferedFunction] = field(default_factory=list)
    captured: dict[str, tuple[Captured, ...]] = field(default_factory=dict)
    user_objects: list[UserObject] = field(default_factory=list)
    problems: list[TfArtifactsError] = field(default_factory=list)


def read_saved_functions(encoded: bytes, path: str | None = None) -> SavedFunctions:
    """All that the object graph offers; what is damaged is among the problems, the rest is read."""
    found = SavedFunctions()
    try:
        message = Message(encoded)
    except FormatError as error:
        found.problems.append(_located(error, path))
        return found
    nodes: list[Message | None] = []
    for span in message.spans(1):
        try:
            nodes.append(Message(encoded, *span))
        except FormatError as error:
            found.problems.append(_located(error, path))
            nodes.append(None)
    reading = _Reading(nodes, found, path)
    reading.name_nodes()
    for number, node in enumerate(nodes):
        if node is not None:
            reading.read(number, node)
    try:
        for name, entry in message.entries(2):
            concrete = entry.message(2)
            bound = [] if concrete is None else concrete.integers(2)
            found.captured[name] = tuple(reading.captured(number) for number in bound)
    except FormatError as error:
        found.problems.append(_located(error, path))
    return found


def _located(error: FormatError, path: str | None) -> FormatError:
    # An offset in the object graph means nothing to who has the file.
    return FormatError(f"in the object graph: {error.message}", path=path)


class _Reading:
    def __init__(
        self, nodes: list[Message | None], found: SavedFunctions, path: str | None
    ) -> None:
        self.nodes = nodes
        self.found = found
        self.path = path
        self.names: dict[int, str] = {}
        self.roles: dict[int, set[str]] = {}

    def _children(self, number: int) -> list[tuple[int, str]]:
        node = self.nodes[number] if 0 <= number < len(self.nodes) else None
        if node is None:
            return []
        try:
            return [(child.integer(1), child.text(2)) for child in node.messages(1)]
        except FormatError as error:
            self.found.problems.append(_located(error, self.path))
            return []

    def name_nodes(self) -> None:
        """The path of each object from the root, and the roles its parents give it."""
        signature_maps = {child for child, name in self._children(0) if name == _SIGNATURES}
        todo = [0]
        parts: dict[int, tuple[str, ...]] = {0: ()}
        position = 0
        while position < len(todo):
            number = todo[position]
            position += 1
            for child, name in self._children(number):
                if number in signature_maps:
                    role = "signature"
                    self.names.setdefault(child, name)
                else:
                    role = "init" if name in _LOADED else "function"
                self.roles.setdefault(child, set()).add(role)
                if child not in parts and 0 <= child < len(self.nodes):
                    parts[child] = (*parts[number], name)[-_MOST_NAMED:]
                    todo.append(child)
        for number, path in parts.items():
            self.names.setdefault(number, "/".join(path))
        # What no child path leads to is not made by a loader that follows paths; but ours may not.
        for number in range(len(self.nodes)):
            if number not in parts:
                for child, name in self._children(number):
                    role = "init" if name in _LOADED else "function"
                    self.roles.setdefault(child, set()).add(role)

    def read(self, number: int, node: Message) -> None:
        try:
            self._read(number, node)
        except FormatError as error:
            self.found.problems.append(_located(error, self.path))

    def _read(self, number: int, node: Message) -> None:
        names: list[str] = []
        function, bare, captured = node.message(6), node.message(8), node.message(12)
        if function is not None:
            names += function.texts(1)
        if bare is not None:
            names.append(bare.text(1))
        if captured is not None and captured.text(2):
            names.append(captured.text(2))
        path = self.names.get(number, f"object {number}")
        for role in sorted(self.roles.get(number, ())) if names else ():
            self.found.functions += [OfferedFunction(name, path, role) for name in names]
        for key, entry in node.entries(11):
            saveable = entry.message(2)
            for target in () if saveable is None else (saveable.integer(2), saveable.integer(3)):
                self._read_saveable(target, f"{path}/{key}" if path else key)
        user = node.message(4)
        registered = node.text(13)
        if user is not None or registered:
            identifier, metadata = ("", "") if user is None else (user.text(1), user.text(3))
            self.found.user_objects.append(UserObject(path, identifier, metadata, registered))

    def _read_saveable(self, number: int, path: str) -> None:
        node = self.nodes[number] if 0 <= number < len(self.nodes) else None
        if node is None:
            return
        names = [] if (function := node.message(6)) is None else function.texts(1)
        if (bare := node.message(8)) is not None:
            names.append(bare.text(1))
        self.found.functions += [OfferedFunction(name, path, "saver") for name in names]

    def captured(self, number: int) -> Captured:
        node = self.nodes[number] if 0 <= number < len(self.nodes) else None
        if node is None:
            return Captured()
        if (asset := node.message(5)) is not None:
            return Captured(asset=asset.integer(1))
        constant = node.message(9)
        return Captured() if constant is None else Captured(constant=constant.text(1))
