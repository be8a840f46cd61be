"""Signatures as people write them down: a JSON or YAML file.

serving_default:                      or  signatures: {serving_default: ...}
  inputs: {image: "myInput:0"}            a mapping, or a list of tensors
  outputs: ["dense/scores:0"]
  method_name: predict                    may be left out
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfartifacts.convert import SignatureNames

_MOST_BYTES = 1 << 18
_SERVING = "tensorflow/serving/"


def full_method_name(name: str) -> str:
    """`predict` as `tensorflow/serving/predict`; a full name as it is."""
    return name if "/" in name or not name else _SERVING + name


def read_signature_file(path: str, method_name: str | None = None) -> dict[str, SignatureNames]:
    """The signatures in a file, by key; `method_name` is that of those without one.

    Raises FormatError, with the path, for what is none, and PathNotFoundError.
    """
    from tfartifacts.errors import FormatError, located
    from tfartifacts.storage.files import read_file

    content = read_file(path, _MOST_BYTES + 1)
    with located(path):
        if len(content) > _MOST_BYTES:
            raise FormatError(f"found over {_MOST_BYTES} bytes, expected a few signatures")
        is_yaml = path.endswith((".yaml", ".yml"))
        document = (_parse_yaml if is_yaml else _parse_json)(content)
        if isinstance(document, dict) and set(document) == {"signatures"}:
            document = document["signatures"]
        if not isinstance(document, dict) or not document:
            raise FormatError("found no signatures, expected {KEY: {inputs, outputs}}")
        return {_text(key): _signature(key, entry, method_name) for key, entry in document.items()}


def _signature(key: str, entry: Any, method_name: str | None) -> SignatureNames:
    from tfartifacts.convert import SignatureNames, with_keys
    from tfartifacts.errors import FormatError

    if not isinstance(entry, dict) or not entry.get("outputs"):
        raise FormatError(f"found signature {key!r} without outputs, expected some")
    for part in entry:
        if part not in ("inputs", "outputs", "method_name"):
            raise FormatError(
                f"found {_text(part)!r} in signature {key!r}, expected inputs, outputs, method_name"
            )
    method = _text(entry["method_name"]) if "method_name" in entry else method_name
    inputs, outputs = (with_keys(_mappings(key, entry.get(side))) for side in ("inputs", "outputs"))
    return SignatureNames(inputs, outputs, *([] if method is None else [full_method_name(method)]))


def _mappings(key: str, side: Any) -> list[str]:
    """`KEY=TENSOR`, or `TENSOR`, of each."""
    from tfartifacts.errors import FormatError

    if side is None:
        return []
    if isinstance(side, dict):
        return [f"{_text(name)}={_text(tensor)}" for name, tensor in side.items()]
    if isinstance(side, list):
        return [_text(tensor) for tensor in side]
    raise FormatError(
        f"found {_kind(side)} in signature {key!r}, expected {{KEY: TENSOR}} or a list"
    )


def _text(value: Any) -> str:
    from tfartifacts.errors import FormatError

    if not isinstance(value, str):
        # In YAML `on` is true, and 1:0 is sixty.
        shown = f" {value}" if isinstance(value, int | float) else ""
        raise FormatError(f"found {_kind(value)}{shown}, expected a name; put it into quotes")
    return value


def _kind(value: Any) -> str:
    return {dict: "a mapping", list: "a list", type(None): "nothing"}.get(
        type(value), f"a {type(value).__name__}"
    )


def _parse_json(content: bytes) -> Any:
    import json

    from tfartifacts.errors import FormatError

    try:
        return json.loads(content, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"found no JSON ({error}), expected signatures") from None


def _once(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """The mapping of pairs, each key of which is there once."""
    from tfartifacts.errors import FormatError

    found: dict[Any, Any] = {}
    for key, value in pairs:
        if key in found:
            raise FormatError(f"found {_text(key)!r} twice, expected it once")
        found[key] = value
    return found


def _parse_yaml(content: bytes) -> Any:
    import yaml

    from tfartifacts.errors import FormatError

    class Loader(yaml.SafeLoader):
        """Of scalars, lists and mappings alone, each written out."""

        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            # Aliases of aliases make billions of entries of a few lines.
            if self.check_event(yaml.AliasEvent):
                raise FormatError("found an alias (*name), expected everything written out")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            if not all(isinstance(key, str | int | float | None) for key in keys):
                raise FormatError("found a key that is no name, expected names")
            _once((key, None) for key in keys)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(content, Loader=Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        shown = " ".join(str(error).split())
        raise FormatError(f"found no YAML ({shown}), expected signatures") from None
