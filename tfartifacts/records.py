"""Dataclasses, made in a tenth of the time.

The standard library's decorator compiles up to eight methods of every class as its module is
imported, and imports `inspect` for it: of the 120 ms of an `inspect` of a small checkpoint that
was 36, most of it for classes of which no object was made. Here a method is compiled when it is
first called.

    from tfartifacts.records import dataclass, field, replace

mean what they mean in the standard library, for the options that they take here. Type checkers
see the standard library's; and `dataclasses.fields`, `replace`, `asdict` and `is_dataclass` work
on the objects, as do `copy`, `pickle`, `match` and `help`. What differs: ClassVar annotations are
told by their text, and a class without a docstring gets none.
"""

from __future__ import annotations

__all__ = ["dataclass", "field", "replace"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass, field, replace
    from typing import Any

_FIELDS = "__record_fields__"


class _Missing:
    """What stands for no value; as the standard library shows a default that is made."""

    def __repr__(self) -> str:
        return "<factory>"


_MISSING = _Missing()


class _Field:
    """What one field of a class is; `type` is the text of its annotation."""

    __slots__ = ("compare", "default", "default_factory", "init", "kw_only", "name", "repr", "type")

    def __init__(
        self, default: Any, default_factory: Any, init: bool, repr: bool, compare: bool
    ) -> None:
        self.name = ""
        self.type: Any = ""
        self.kw_only = False
        self.default = default
        self.default_factory = default_factory
        self.init = init
        self.repr = repr
        self.compare = compare


def _field(
    *,
    default: Any = _MISSING,
    default_factory: Any = _MISSING,
    init: bool = True,
    repr: bool = True,
    compare: bool = True,
) -> Any:
    if default is not _MISSING and default_factory is not _MISSING:
        raise ValueError("cannot specify both default and default_factory")
    return _Field(default, default_factory, init, repr, compare)


def _replace(record: Any, /, **changes: Any) -> Any:
    for item in getattr(type(record), _FIELDS).values():
        if item.init:
            if item.name not in changes:
                changes[item.name] = getattr(record, item.name)
        elif item.name in changes:
            raise ValueError(f"field {item.name} is declared with init=False")
    return record.__class__(**changes)


def _dataclass(
    cls: type[Any] | None = None,
    /,
    *,
    eq: bool = True,
    frozen: bool = False,
    kw_only: bool = False,
    slots: bool = False,
) -> Any:
    if cls is None:
        return lambda made: _dataclass(made, eq=eq, frozen=frozen, kw_only=kw_only, slots=slots)
    own = _own_fields(cls, kw_only)
    fields: dict[str, _Field] = {}
    for base in cls.__mro__[-1:0:-1]:
        fields.update(base.__dict__.get(_FIELDS, {}))
    inherited = set(fields) if slots else set()
    fields.update(own)
    namespace = _namespace(cls, fields, eq=eq, frozen=frozen, slots=slots)
    if slots:
        namespace = {**cls.__dict__, **namespace}
        for name in (*own, "__dict__", "__weakref__"):
            namespace.pop(name, None)
        namespace["__slots__"] = tuple(name for name in own if name not in inherited)
        qualified = cls.__qualname__
        meta: Any = type(cls)
        cls = meta(cls.__name__, cls.__bases__, namespace)
        cls.__qualname__ = qualified
    else:
        for name, item in own.items():
            if item.default is not _MISSING:
                setattr(cls, name, item.default)
            elif name in cls.__dict__:
                delattr(cls, name)
        for name, value in namespace.items():
            setattr(cls, name, value)
    for name in namespace:
        lazy = cls.__dict__[name]
        if isinstance(lazy, _Lazy):
            lazy.owner = cls
    if frozen:
        _freeze(cls, frozenset(fields))
    return cls


def _own_fields(cls: type[Any], kw_only: bool) -> dict[str, _Field]:
    own = {}
    for name, annotation in cls.__annotations__.items():
        if str(annotation).partition("[")[0].rpartition(".")[2] == "ClassVar":
            continue
        value = cls.__dict__.get(name, _MISSING)
        item = value if isinstance(value, _Field) else _Field(value, _MISSING, True, True, True)
        item.name, item.type, item.kw_only = name, annotation, kw_only
        own[name] = item
    return own


def _namespace(
    cls: type[Any], fields: dict[str, _Field], *, eq: bool, frozen: bool, slots: bool
) -> dict[str, Any]:
    """What is added to a class; methods are compiled when first looked up."""
    made: dict[str, Any] = {
        _FIELDS: fields,
        "__dataclass_fields__": _Lazy(
            "__dataclass_fields__", lambda made: _standard(made, frozen).__dataclass_fields__
        ),
        "__dataclass_params__": _Lazy(
            "__dataclass_params__", lambda made: _standard(made, frozen).__dataclass_params__
        ),
        "__match_args__": tuple(
            item.name for item in fields.values() if item.init and not item.kw_only
        ),
        "__replace__": _replace,
    }
    has = cls.__dict__
    if "__init__" not in has:
        made["__init__"] = _Lazy("__init__", _frozen_init if frozen else _init)
    if "__repr__" not in has:
        made["__repr__"] = _Lazy("__repr__", _repr)
    if eq:
        if "__eq__" not in has:
            made["__eq__"] = _Lazy("__eq__", _eq)
        # A class that defines __eq__ alone has None here.
        if has.get("__hash__") is None:
            made["__hash__"] = _Lazy("__hash__", _hash) if frozen else None
    if frozen and slots and "__getstate__" not in has:
        # What is restored otherwise is set as an attribute, which a frozen object refuses.
        made["__getstate__"] = _getstate
        made["__setstate__"] = _setstate
    return made


def _freeze(cls: type[Any], names: frozenset[str]) -> None:
    def __setattr__(self: Any, name: str, value: Any) -> None:  # noqa: N807
        if type(self) is cls or name in names:
            raise _frozen_error(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:  # noqa: N807
        if type(self) is cls or name in names:
            raise _frozen_error(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    for method in (__setattr__, __delattr__):
        setattr(cls, method.__name__, method)


def _frozen_error(message: str) -> AttributeError:
    from dataclasses import FrozenInstanceError

    return FrozenInstanceError(message)


class _Lazy:
    """An attribute of a class, made when it is first looked up, and then put in its own place."""

    __slots__ = ("make", "name", "owner")

    owner: type[Any]

    def __init__(self, name: str, make: Callable[[type[Any]], Any]) -> None:
        self.name = name
        self.make = make

    def __get__(self, record: Any, kind: type[Any] | None = None) -> Any:
        made = self.make(self.owner)
        setattr(self.owner, self.name, made)
        return made.__get__(record, kind) if hasattr(made, "__get__") else made


_SLOT: Any = type(vars(_Lazy)["make"])  # what sets an attribute that has a slot


def _compiled(cls: type[Any], head: str, lines: list[str], known: dict[str, Any]) -> Any:
    name = head.partition("(")[0]
    text = f"def {head}:\n" + "".join(f"    {line}\n" for line in lines)
    exec(compile(text, f"<{cls.__module__}.{cls.__qualname__}>", "exec"), known)
    made = known[name]
    made.__qualname__ = f"{cls.__qualname__}.{name}"
    made.__module__ = cls.__module__
    return made


def _init(cls: type[Any]) -> Any:
    return _compiled_init(cls, frozen=False)


def _frozen_init(cls: type[Any]) -> Any:
    return _compiled_init(cls, frozen=True)


def _compiled_init(cls: type[Any], *, frozen: bool) -> Any:
    fields: dict[str, _Field] = getattr(cls, _FIELDS)
    known: dict[str, Any] = {"_MISSING": _MISSING, "_set": object.__setattr__}
    positional = ["self"]
    named: list[str] = []
    lines: list[str] = []
    for name, item in fields.items():
        value = name
        parameter = name
        if item.default is not _MISSING:
            known[f"_default_{name}"] = item.default
            parameter += f"=_default_{name}"
            value = name if item.init else f"_default_{name}"
        elif item.default_factory is not _MISSING:
            known[f"_make_{name}"] = item.default_factory
            parameter += "=_MISSING"
            value = f"_make_{name}()"
            if item.init:
                value += f" if {name} is _MISSING else {name}"
        elif not item.init:
            continue  # set by __post_init__
        if item.init:
            (named if item.kw_only else positional).append(parameter)
        slot: Any = getattr(cls, name, None)
        if not frozen:
            lines.append(f"self.{name} = {value}")
        elif isinstance(slot, _SLOT):
            # A third faster than by name.
            known[f"_set_{name}"] = slot.__set__
            lines.append(f"_set_{name}(self, {value})")
        else:
            lines.append(f'_set(self, "{name}", {value})')
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    parameters = ", ".join([*positional, "*", *named] if named else positional)
    made = _compiled(cls, f"__init__({parameters})", lines or ["pass"], known)
    made.__annotations__ = {
        **{item.name: item.type for item in fields.values() if item.init},
        "return": None,
    }
    return made


def _repr(cls: type[Any]) -> Any:
    from reprlib import recursive_repr

    shown = [name for name, item in getattr(cls, _FIELDS).items() if item.repr]
    text = ", ".join(f"{name}={{self.{name}!r}}" for name in shown)
    line = f'return f"{{self.__class__.__qualname__}}({text})"'
    return recursive_repr()(_compiled(cls, "__repr__(self)", [line], {}))


def _compared(cls: type[Any], record: str) -> str:
    names = [name for name, item in getattr(cls, _FIELDS).items() if item.compare]
    return "(" + "".join(f"{record}.{name}, " for name in names) + ")"


def _eq(cls: type[Any]) -> Any:
    lines = [
        "if other.__class__ is self.__class__:",
        f"    return {_compared(cls, 'self')} == {_compared(cls, 'other')}",
        "return NotImplemented",
    ]
    return _compiled(cls, "__eq__(self, other)", lines, {})


def _hash(cls: type[Any]) -> Any:
    return _compiled(cls, "__hash__(self)", [f"return hash({_compared(cls, 'self')})"], {})


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, name) for name in getattr(type(self), _FIELDS)]


def _setstate(self: Any, state: list[Any]) -> None:
    for name, value in zip(getattr(type(self), _FIELDS), state, strict=True):
        object.__setattr__(self, name, value)


def _standard(cls: type[Any], frozen: bool) -> Any:
    """A class of the standard library's making with the same fields, for its functions."""
    import dataclasses

    def standard(item: _Field) -> Any:
        given: dict[str, Any] = {
            "init": item.init,
            "repr": item.repr,
            "compare": item.compare,
            "kw_only": item.kw_only,
        }
        if item.default is not _MISSING:
            return dataclasses.field(default=item.default, **given)
        if item.default_factory is not _MISSING:
            return dataclasses.field(default_factory=item.default_factory, **given)
        return dataclasses.field(**given)

    described = [(item.name, item.type, standard(item)) for item in getattr(cls, _FIELDS).values()]
    return dataclasses.make_dataclass(cls.__name__, described, frozen=frozen)


if not TYPE_CHECKING:
    dataclass, field, replace = _dataclass, _field, _replace
    for public, function in (("dataclass", dataclass), ("field", field), ("replace", replace)):
        function.__name__ = function.__qualname__ = public
