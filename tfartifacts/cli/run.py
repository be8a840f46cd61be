"""`tfartifacts run`: what an artifact computes, with TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import IO, Annotated, Any

from tfartifacts.cli.declaring import Argument, Option
from tfartifacts.cli.options import AsJson, Debug, split


def run(
    path: Annotated[
        str,
        Argument(
            metavar="PATH",
            help="A checkpoint with its .meta, a SavedModel or a frozen graph.",
            show_default=False,
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        Option(
            "--inputs",
            metavar="[KEY=]VALUE",
            help="A value for an input (a signature's key, or a tensor): digits.npy, "
            "digits.npz[images], feed.json, cat.png, cat.jpg, or as in JSON: 0.5, [[1, 2]], true, "
            "text. KEY may be left out where there is one input. Repeatable.",
        ),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        Option(
            "--outputs",
            metavar="KEY,...",
            help="Outputs: keys of the signature, or tensors. Default: all of the signature.",
        ),
    ] = None,
    signature: Annotated[
        str | None,
        Option("--signature", metavar="KEY", help="The signature. Default: the only one."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        Option("--tag", metavar="TAG,...", help="Tags of a SavedModel's meta graph."),
    ] = None,
    batch: Annotated[
        int | None,
        Option("--batch", min=1, metavar="N", help="Rows to run at once.", show_default=False),
    ] = None,
    out: Annotated[
        str | None,
        Option(
            "--out",
            metavar="FILE",
            help="A new .npy (one output), .npz or .json file, in place of the screen.",
        ),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Run a model on inputs. Needs TensorFlow 2: pip install 'tfartifacts[tensorflow]'.

    Inputs are never evaluated or unpickled. Numbers are cast to the input's type where they fit;
    pixels of pictures stay 0 to 255. TensorFlow's log is shown only where a run fails.

    \b
    Examples:
      tfartifacts run export/ --inputs image=digits.npy --outputs prediction
      tfartifacts run model.ckpt-7 --inputs x:0=[[0.5,1]] --outputs y:0
      tfartifacts run export/ --inputs digits.npz[images] --batch 99 --out y.npz
    """
    from tfartifacts.cli.output import write_error, write_lines
    from tfartifacts.cli.progress import TerminalProgress
    from tfartifacts.cli.rendering import Request
    from tfartifacts.execution.requests import only_input
    from tfartifacts.execution.running import prepare
    from tfartifacts.execution.tensorflow import quiet
    from tfartifacts.opening import open_to_convert
    from tfartifacts.report.outputs import describe_outputs, output_lines

    if out is not None:
        _check_output(out)
    artifact = open_to_convert(path)
    tags = None if tag is None else split(tag)
    keys = split(outputs or ())
    feeds = _feeds(inputs or (), lambda: only_input(artifact, keys, signature=signature, tags=tags))
    prepared = prepare(artifact, feeds, keys, signature=signature, tags=tags)
    if out is not None:
        _check_form(out, prepared.asked.outputs)
    with (
        quiet(write_error) as terminal,
        TerminalProgress(quiet=as_json, counts=True, stream=terminal) as progress,
    ):
        values = prepared.execute(batch_size=batch, progress=partial(progress, "running"))
    if out is not None:
        _write(values, out)
    document = describe_outputs(path, values, out)
    if as_json:
        from tfartifacts.report.json_text import json_lines

        write_lines(json_lines([document], many=False))
    else:
        write_lines(output_lines(document, values if out is None else {}, Request().layout()))
    return 0


def _feeds(inputs: Iterable[str], only_key: Callable[[], str]) -> dict[str, str]:
    """Values by key; one without a key is for the only input."""
    from tfartifacts.errors import ConversionError

    feeds: dict[str, str] = {}
    for text in inputs:
        key, equals, value = text.partition("=")
        # JSON may hold a "=", but no key begins as it does.
        if not equals or text.startswith(("[", "{", '"')):
            key, value = only_key(), text
        if key in feeds:
            raise ConversionError(f"found two values for {key!r}, expected one")
        feeds[key] = value
    return feeds


_FORMS = (".npy", ".npz", ".json")


def _check_output(path: str) -> None:
    """Refuse what cannot be written before the model is run."""
    from tfartifacts.errors import ConversionError
    from tfartifacts.storage.publishing import refuse_existing

    if not path.lower().endswith(_FORMS):
        raise ConversionError(f"found --out {path}, expected a name in {', '.join(_FORMS)}")
    refuse_existing(path)


def _check_form(path: str, outputs: Collection[str]) -> None:
    from tfartifacts.errors import ConversionError

    if path.lower().endswith(".npy") and len(outputs) != 1:
        raise ConversionError(
            f"found {len(outputs)} outputs for one .npy ({', '.join(outputs)}), expected one: "
            "--outputs, or --out with .npz"
        )


def _write(values: Mapping[str, Any], path: str) -> None:
    """The outputs as a file, whole or not at all."""
    from io import BytesIO

    import numpy as np

    from tfartifacts.saving import save_bytes

    if path.lower().endswith(".json"):
        from tfartifacts.report.json_text import json_lines

        save_bytes(("\n".join(json_lines([dict(values)])) + "\n").encode("ascii"), path)
        return
    arrays = {key: _storable(key, value) for key, value in values.items()}
    content = BytesIO()
    if path.lower().endswith(".npz"):
        _write_npz(content, arrays)
    else:
        np.save(content, next(iter(arrays.values())), allow_pickle=False)
    save_bytes(content.getvalue(), path)


def _write_npz(file: IO[bytes], arrays: Mapping[str, Any]) -> None:
    """As np.savez, which takes keys for arguments of its own: `file`, `allow_pickle`."""
    import zipfile

    import numpy as np

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for key, array in arrays.items():
            # Of the year 1980, as NumPy does: the same outputs are the same bytes.
            with archive.open(zipfile.ZipInfo(key + ".npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _storable(key: str, array: Any) -> Any:
    """In a type that NumPy's files have: strings of one length, no type of ml_dtypes."""
    import numpy as np

    from tfartifacts.errors import ConversionError

    if array.dtype == object:
        if any(value.endswith(b"\0") for value in array.ravel()):
            raise ConversionError(
                f"{key!r} has strings that end in NUL, which .npy loses; use .json"
            )
        return array.astype(np.bytes_)
    if array.dtype.isbuiltin == 1:
        return array
    # All their values are values of these.
    is_integer = array.dtype.name in ("int4", "uint4", "int2", "uint2")
    return array.astype(np.int8 if is_integer else np.float32)
