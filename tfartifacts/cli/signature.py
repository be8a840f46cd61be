"""`tfartifacts signature` and `tfartifacts tags`: change a SavedModel in place, not its graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

from tfartifacts.cli.declaring import Argument, Group, Option
from tfartifacts.cli.options import AsJson, Debug, split

if TYPE_CHECKING:
    from tfartifacts import SavedModel
    from tfartifacts.report.view import Document

signature_app = Group(
    name="signature",
    help="List, add, rename or remove signatures of a SavedModel, without exporting it again.",
)
tags_app = Group(
    name="tags",
    help="Change the tags of a SavedModel, without exporting it again.",
)

_MAPPING = "[KEY=]TENSOR,..."

Path = Annotated[
    str,
    Argument(metavar="PATH", help="A SavedModel: its folder or file.", show_default=False),
]
Tags = Annotated[
    list[str] | None,
    Option("--tag", metavar="TAG,...", help="Tags of the meta graph, where there are several."),
]
DryRun = Annotated[bool, Option("--dry-run", help="Say what would change; write nothing.")]


@signature_app.command("list")
def list_signatures(
    path: Path, tag: Tags = None, as_json: AsJson = False, debug: Debug = False
) -> int:
    """List the signatures.

    \b
    Example:
      tfartifacts signature list export/
    """
    from tfartifacts.opening import open_saved_model
    from tfartifacts.report.signatures import describe_signatures

    model = open_saved_model(path)
    return _show(describe_signatures(path, model, _tags(tag), notes=model.notes), as_json)


@signature_app.command("add")
def add(
    path: Path,
    key: Annotated[str, Argument(metavar="KEY", help="Its key.", show_default=False)],
    outputs: Annotated[
        list[str], Option("--outputs", metavar=_MAPPING, help="Outputs.", show_default=False)
    ],
    inputs: Annotated[
        list[str] | None, Option("--inputs", metavar=_MAPPING, help="Inputs: image=x:0.")
    ] = None,
    method_name: Annotated[
        str, Option("--method-name", metavar="NAME", help="Its method name.")
    ] = "tensorflow/serving/predict",
    replace: Annotated[
        bool, Option("--replace", help="Replace the signature of that key.")
    ] = False,
    tag: Tags = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Add a signature.

    \b
    Example:
      tfartifacts signature add export/ features --inputs image=x:0 --outputs pool/Mean:0
    """
    from tfartifacts.convert import with_keys
    from tfartifacts.convert.editing import add_signature

    def edit(model: SavedModel) -> SavedModel:
        return add_signature(
            model,
            key,
            with_keys(split(inputs or ())),
            with_keys(split(outputs)),
            tags=_tags(tag),
            method_name=method_name,
            replace_existing=replace,
        )

    return _edit(path, edit, tag, dry_run, as_json)


@signature_app.command("rename")
def rename(
    path: Path,
    old: Annotated[str, Argument(metavar="OLD", help="Its key.", show_default=False)],
    new: Annotated[str, Argument(metavar="NEW", help="The new key.", show_default=False)],
    tag: Tags = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Give a signature another key.

    \b
    Example:
      tfartifacts signature rename export/ predict serving_default
    """
    from tfartifacts.convert.editing import rename_signature

    return _edit(
        path,
        lambda model: rename_signature(model, old, new, tags=_tags(tag)),
        tag,
        dry_run,
        as_json,
    )


@signature_app.command("remove")
def remove(
    path: Path,
    keys: Annotated[list[str], Argument(metavar="KEY...", help="Their keys.", show_default=False)],
    tag: Tags = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Remove signatures.

    \b
    Example:
      tfartifacts signature remove export/ regress classify
    """
    from tfartifacts.convert.editing import remove_signatures

    return _edit(
        path,
        lambda model: remove_signatures(model, keys, tags=_tags(tag)),
        tag,
        dry_run,
        as_json,
    )


@tags_app.command("set")
def set_tags(
    path: Path,
    new: Annotated[list[str], Argument(metavar="TAG...", help="The new tags.", show_default=False)],
    tag: Tags = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Give a meta graph other tags.

    \b
    Example:
      tfartifacts tags set export/ serve gpu
    """
    from tfartifacts.convert.editing import set_tags as with_tags

    wanted = split(new)
    return _edit(
        path,
        lambda model: with_tags(model, wanted, tags=_tags(tag)),
        wanted,
        dry_run,
        as_json,
    )


def _edit(
    path: str,
    edit: Callable[[SavedModel], SavedModel],
    tag: Sequence[str] | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Open, edit, rewrite, show."""
    from tfartifacts.cli.writing import taking_back_before_the_end
    from tfartifacts.opening import open_saved_model
    from tfartifacts.report.signatures import describe_signatures
    from tfartifacts.saving import rewrite

    edited = edit(open_saved_model(path))
    with taking_back_before_the_end():
        saved = rewrite(edited, dry_run=dry_run)
    document = describe_signatures(
        path, edited, _tags(tag), saved.files, saved.notes, dry_run=dry_run
    )
    return _show(document, as_json)


def _show(document: Document, as_json: bool) -> int:
    from tfartifacts.cli.output import write_lines
    from tfartifacts.cli.rendering import Request
    from tfartifacts.report.signatures import signature_lines

    if as_json:
        from tfartifacts.report.json_text import json_lines

        write_lines(json_lines([document], many=False))
    else:
        write_lines(signature_lines(document, Request(limit=0).layout()))
    return 0


def _tags(tag: Sequence[str] | None) -> list[str] | None:
    return None if tag is None else split(tag)
