"""Our dataclasses behave as the standard library's, which make the same classes to be compared."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
import typing
import typing as t
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfartifacts import records

OPTIONS = [
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "eq": False},
    {"frozen": True, "slots": True, "kw_only": True},
    {"frozen": True},
    {"slots": True},
    {},
]


class Point:
    """Two coordinates and what comes with them."""

    kind: ClassVar[str] = "point"
    x: int
    y: int = 2
    tags: list[str] = records.field(default_factory=list)
    note: str = records.field(default="", compare=False, repr=False)
    total: int = records.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", self.x + self.y)

    def doubled(self) -> int:
        return self.x * 2


def _both(options: dict[str, bool], name: str = "Made") -> tuple[Any, Any]:
    """The class as the standard library makes it, and as we do."""
    classes = []
    for module in (dataclasses, records):
        namespace = {
            key: value
            for key, value in Point.__dict__.items()
            if key not in ("__dict__", "__weakref__")
        }
        namespace["tags"] = module.field(default_factory=list)
        namespace["note"] = module.field(default="", compare=False, repr=False)
        namespace["total"] = module.field(init=False)
        namespace["__qualname__"] = name
        classes.append(module.dataclass(**options)(type(name, (), namespace)))
    return classes[0], classes[1]


def _outcome(function: Any) -> tuple[str, str]:
    try:
        return "value", repr(function())
    except Exception as error:  # noqa: BLE001  # the kind of error is what is compared
        return type(error).__name__, str(error)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@given(
    positional=st.lists(st.integers(-3, 3), max_size=3),
    named=st.dictionaries(st.sampled_from(["x", "y", "tags", "note", "total", "z"]), st.just(1)),
)
def test_made_as_the_standard_library_makes_them(
    options: dict[str, bool], positional: list[Any], named: dict[str, Any]
) -> None:
    theirs, ours = _both(options)
    assert _outcome(lambda: ours(*positional, **named)) == _outcome(
        lambda: theirs(*positional, **named)
    )


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(
    "act",
    [
        lambda a, b: a == b,
        lambda a, b: a != b,
        lambda a, b: a == (1, 2),
        lambda a, b: hash(a) == hash(b),
        lambda a, b: hash(copy.copy(a)) == hash(a),
        lambda a, b: {a: 1}[b],
        lambda a, b: (a.__setattr__("x", 5), a),
        lambda a, b: (a.__delattr__("x"), a),
        lambda a, b: dataclasses.replace(a, x=7),
        lambda a, b: dataclasses.replace(a, total=7),
        lambda a, b: dataclasses.asdict(a),
        lambda a, b: dataclasses.astuple(a),
        lambda a, b: [
            (f.name, f.type, f.init, f.repr, f.compare, f.kw_only) for f in dataclasses.fields(a)
        ],
        lambda a, b: dataclasses.is_dataclass(a),
        lambda a, b: inspect.signature(type(a)).parameters.keys(),
        lambda a, b: type(a).__init__.__annotations__,
        lambda a, b: type(a).__match_args__,
        lambda a, b: hasattr(type(a), "__slots__"),
        lambda a, b: hasattr(a, "__dict__"),
        lambda a, b: type(a).__doc__,
        lambda a, b: (type(a).kind, a.doubled(), type(a).__qualname__, type(a).__module__),
        lambda a, b: copy.deepcopy(a),
    ],
)
def test_objects_behave_alike(options: dict[str, bool], act: Any) -> None:
    theirs, ours = _both(options)

    def outcome(kind: Any) -> tuple[str, str]:
        return _outcome(lambda: act(kind(x=1, note="a"), kind(x=1, note="b")))

    assert outcome(ours) == outcome(theirs)


def test_replace_refuses_what_is_not_given_to_init() -> None:
    _, ours = _both({"frozen": True, "slots": True})
    assert records.replace(ours(1, note="n"), y=9) == ours(1, 9, note="n")
    with pytest.raises(ValueError, match="total is declared with init=False"):
        records.replace(ours(1), total=3)


@records.dataclass(frozen=True, slots=True)
class Base:
    name: str
    size: int = 0


@records.dataclass(frozen=True, slots=True)
class Derived(Base):
    parts: tuple[Base, ...] = ()


@dataclasses.dataclass(frozen=True)
class Foreign(Base):
    """Of the standard library's kind, derived from ours."""

    extra: int = 1


def test_derived_pickled_copied_and_matched() -> None:
    derived = Derived("a", parts=(Base("b"), Derived("c", 2)))
    assert pickle.loads(pickle.dumps(derived)) == derived == copy.deepcopy(derived)
    assert repr(derived).startswith("Derived(name='a', size=0, parts=(Base(name='b', size=0), ")
    assert list(Derived.__slots__) == ["parts"]
    assert derived != Base("a")
    match derived:
        case Derived(name, _, (Base(inner), *_)):
            assert (name, inner) == ("a", "b")
        case _:
            pytest.fail("not matched")
    assert Foreign("x", 3, 4) == dataclasses.replace(Foreign("x", 3), extra=4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        derived.name = "b"  # type: ignore[misc]


def test_frozen_ones_take_no_new_attributes() -> None:
    # The standard library's with slots raise a TypeError instead, before Python 3.12.
    with pytest.raises(dataclasses.FrozenInstanceError):
        Base("a").unknown = 1  # type: ignore[attr-defined]


def test_class_variables_are_told_by_their_text() -> None:
    @records.dataclass
    class Made:
        a: int
        b: typing.ClassVar[int] = 1
        c: t.ClassVar = 2
        d: list[int] = records.field(default_factory=list)

    assert repr(Made(5)).endswith("Made(a=5, d=[])")
    assert str(inspect.signature(Made)) == "(a: 'int', d: 'list[int]' = <factory>) -> None"


def test_that_refers_to_itself_is_shown() -> None:
    @records.dataclass
    class Loop:
        inner: Any = None

    loop = Loop()
    loop.inner = loop
    assert repr(loop).endswith("Loop(inner=...)")


def test_defined_methods_are_kept() -> None:
    @records.dataclass(frozen=True, slots=True)
    class Named:
        name: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Named) and self.name.lower() == other.name.lower()

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return "named"

    assert Named("A") == Named("a")
    assert (hash(Named("A")), repr(Named("A"))) == (7, "named")


def test_inspect_is_not_imported_for_them() -> None:
    code = (
        "import sys, tfartifacts.model.checkpoints\n"
        "sys.exit('dataclasses' in sys.modules or 'inspect' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
