"""What writes, as tests disturb it: each operation in a folder of its own, and how that may end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

import tfartifacts as tfa
from tfartifacts.checks.state_repair import repaired
from tfartifacts.checks.states import examine_state
from tfartifacts.convert import convert
from tfartifacts.convert.editing import add_signature
from tfartifacts.model.manifests import SAVED_MODEL_MANIFEST
from tfartifacts.opening import open_saved_model
from tfartifacts.opening.members import find_members
from tfartifacts.saving import rewrite
from tfartifacts.saving.manifests import save_manifest
from tfartifacts.saving.repaired_state import clear_state_file, replace_state_file
from tfartifacts.storage.temporary import MARK

# Everything below a folder: contents of files, None for folders.
Tree = Mapping[str, bytes | None]


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def seen_by_readers(found: Tree) -> dict[str, bytes | None]:
    """What is in a folder but for temporary folders, which no reader looks into."""
    return {
        name: content
        for name, content in found.items()
        if not any(part.startswith(".") and MARK in part for part in name.split("/"))
    }


def without(found: Tree, names: Collection[str | None]) -> dict[str, bytes | None]:
    return {name: content for name, content in found.items() if name not in names}


@dataclass(frozen=True)
class Operation:
    """Something that writes.

    `source` is the fixture it reads; `there` maps names in the folder to fixtures copied there
    before. `opened` reads the source and gives what writes below the folder. `result` is what to
    open there, its missing parents may be made before.

    What it makes appears in one step, unless it is the files of a checkpoint, whose names begin
    with `prefix`: there the index says that the others are there, and a state file, if it
    `changes` one, comes behind. Files may go before the step (`goes_first`, in that order) or one
    behind it (`goes_last`). A folder of its own may be there before (`made_first`), and what it
    keeps of the old (`backup`). `index` is what such a set's index adds to the prefix; `open` is
    what opens it.
    """

    source: str
    opened: Callable[[Path, Path], Callable[[], object]]
    result: str
    there: Mapping[str, str] = field(default_factory=dict)
    prefix: str | None = None
    changes: str | None = None
    goes_first: tuple[str, ...] = ()
    goes_last: str | None = None
    made_first: str | None = None
    backup: str | None = None
    needs_exchange: bool = False
    may_run_again: bool = False
    index: str = ".index"
    open: Callable[[Path], object] = tfa.open

    def prepare(self, fixtures: Path, folder: Path) -> None:
        """Make the folder as it is before."""
        folder.mkdir()
        for name, fixture in self.there.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            source = fixtures / fixture
            (shutil.copytree if source.is_dir() else shutil.copy)(source, place)

    def is_whole(self, found: Tree, before: Tree, after: Tree) -> bool:
        """Whether what readers see is all as before, or all as after."""
        found = seen_by_readers(found)
        if self.result not in found:
            made = {str(folder) for folder in Path(self.result).parents} - before.keys()
            found = without(found, made)
        if self.prefix is not None and f"{self.prefix}{self.index}" not in found:
            # Parts of a checkpoint without its index are none: readers look for that.
            found = without(found, {name for name in found if name.startswith(self.prefix)})
        states = [before, after]
        if self.changes is not None:
            old = {name: data for name, data in before.items() if name == self.changes}
            states.append({**without(after, {self.changes}), **old})
        states += [
            without(before, self.goes_first[: number + 1]) for number in range(len(self.goes_first))
        ]
        if self.made_first is not None:
            states.append({**before, self.made_first: None})
        if self.backup is not None:
            states.append({**before, self.backup: after[self.backup]})
        if self.goes_last is not None:
            states.append({**after, self.goes_last: before[self.goes_last]})
        return found in states


# --- what each does ------------------------------------------------------------------------------


def checkpoint(path: Path) -> tfa.Checkpoint:
    found = tfa.open(path)
    assert isinstance(found, tfa.Checkpoint)
    assert found.meta_graph is not None  # read now: it is the save that is disturbed
    return found


def _exported(
    name: str, fixtures: Path, folder: Path, *, overwrite: bool = False
) -> Callable[[], object]:
    source = checkpoint(fixtures / REF)
    model = tfa.checkpoint_to_saved_model(source, {"x": "x"}, {"y": "y"})
    return partial(tfa.save, model, folder / name, overwrite=overwrite)


def _copied(
    source: str, name: str, fixtures: Path, folder: Path, *, overwrite: bool = False
) -> Callable[[], object]:
    artifact = tfa.open(fixtures / source)
    return partial(tfa.save, artifact, folder / name, overwrite=overwrite)


def _restored(
    source: str, name: str, fixtures: Path, folder: Path, *, update_state: bool = False
) -> Callable[[], object]:
    model = open_saved_model(fixtures / source)
    tags = {"serve"} if len(model.meta_graphs) > 1 else None
    made = tfa.saved_model_to_checkpoint(model, tags)
    return partial(tfa.save, made, folder / name, update_state=update_state)


def _frozen(name: str, fixtures: Path, folder: Path) -> Callable[[], object]:
    source = checkpoint(fixtures / REF)
    graph = convert(source, to="graph-def", inputs={"x": "x"}, outputs={"y": "y"})
    return partial(tfa.save, graph, folder / name)


def _edited(name: str, fixtures: Path, folder: Path) -> Callable[[], object]:
    model = open_saved_model(folder / name)
    names = {"x": "x:0"}, {"y": "y:0"}
    return partial(rewrite, add_signature(model, "again", *names, replace_existing=True))


def _summed(
    name: str, fixtures: Path, folder: Path, *, overwrite: bool = False
) -> Callable[[], object]:
    (members,) = find_members(folder / name).artifacts
    return partial(save_manifest, members, overwrite=overwrite)


def _repaired(name: str, backup: bool, fixtures: Path, folder: Path) -> Callable[[], object]:
    examined = examine_state(folder / name)
    repair = repaired(examined, add_unlisted=True)

    def write() -> None:
        clear_state_file(examined.path)
        if repair.changes:
            replace_state_file(
                examined.path, repair.data, repair.state, examined.data, backup=backup
            )

    return write


def _written(
    name: str, fixtures: Path, folder: Path, *, update_state: bool = False
) -> Callable[[], object]:
    source = checkpoint(fixtures / REF)

    def write() -> None:
        with tfa.CheckpointWriter(folder / name, shards=2, update_state=update_state) as writer:
            for key, variable in source.variables.items():
                writer.add(key, variable)
            writer.add_blocks("blocks", "float32", (4,), ([number] for number in FLOATS))

    return write


def _changed(name: str, fixtures: Path, folder: Path) -> Callable[[], object]:
    source = checkpoint(fixtures / REF)
    edits = tfa.Edits(
        strip_optimizer=True, rename=("re:^=new/",), values={"new/global_step": 0}, shards=2
    )
    return partial(tfa.save, tfa.edit(source, edits), folder / name, update_state=True)


def _averaged(name: str, fixtures: Path, folder: Path) -> Callable[[], object]:
    source = checkpoint(fixtures / REF)
    return partial(tfa.save, tfa.average([source, source]), folder / name)


def _sent(
    name: str, fixtures: Path, folder: Path, *, overwrite: bool = False, most: str = "5GB"
) -> Callable[[], object]:
    source = checkpoint(fixtures / REF)
    path = f"{folder}/{name}"
    return partial(tfa.export, source, path, overwrite=overwrite, max_shard_size=most)


FLOATS = [np.float32(number) for number in range(4)]
REF = "tensorflow-1.15/ref/model.ckpt-5"
TABLES = "saved-models/two_meta_graphs"
MODEL = "saved-models/simple_resource"
KEPT = {
    f"runs/{name}": f"lookup-table/{name}"
    for name in ("checkpoint", "ckpt-1.index", "ckpt-1.data-00000-of-00001")
}
TO_LIST = {
    f"runs/{name}": f"lookup-table/{name}"
    for name in ("model-1.index", "model-1.data-00000-of-00001")
}

OPERATIONS = {
    "checkpoint to SavedModel": Operation(
        "tensorflow-1.15", partial(_exported, "export"), "export"
    ),
    "SavedModel over another": Operation(
        "tensorflow-1.15",
        partial(_exported, "export", overwrite=True),
        "export",
        there={"export": TABLES},
        needs_exchange=True,
        may_run_again=True,
    ),
    "SavedModel to checkpoint": Operation(
        "saved-models", partial(_restored, MODEL, "new/model-4"), "new"
    ),
    "checkpoint into a folder": Operation(
        "saved-models",
        partial(_restored, MODEL, "runs/model-9", update_state=True),
        "runs",
        there=KEPT,
        prefix="runs/model-9",
        changes="runs/checkpoint",
    ),
    "signature in place": Operation(
        "saved-models",
        partial(_edited, "model"),
        "model",
        there={
            "model": MODEL,
            "model/fingerprint.pb": "keras/export/fingerprint.pb",
            f"model/{SAVED_MODEL_MANIFEST}": "README.md",
        },
        goes_first=("model/fingerprint.pb", f"model/{SAVED_MODEL_MANIFEST}"),
        may_run_again=True,
    ),
    "frozen graph": Operation("tensorflow-1.15", partial(_frozen, "frozen.pb"), "frozen.pb"),
    "variables one at a time": Operation(
        "tensorflow-1.15",
        partial(_written, "runs/model-9", update_state=True),
        "runs",
        there=KEPT,
        prefix="runs/model-9",
        changes="runs/checkpoint",
    ),
}

# Further ones, whose parts are written in another way.
OTHERS = {
    "copy of a SavedModel": Operation(
        "saved-models", partial(_copied, TABLES, "new/newer/export"), "new/newer/export"
    ),
    "checkpoint with assets": Operation(
        "saved-models",
        partial(_restored, TABLES, "runs/model-9"),
        "runs/model-9.index",
        there={"runs/notes.txt": "README.md"},
        prefix="runs/model-9",
        changes="runs/checkpoint",
    ),
    "variables one at a time into a new folder": Operation(
        "tensorflow-1.15",
        partial(_written, "new/newer/model-9"),
        "new/newer/model-9.index",
        prefix="new/newer/model-9",
        changes="new/newer/checkpoint",
    ),
    "edited checkpoint": Operation(
        "tensorflow-1.15",
        partial(_changed, "runs/model-9"),
        "runs",
        there=KEPT,
        prefix="runs/model-9",
        changes="runs/checkpoint",
    ),
    "average of checkpoints": Operation(
        "tensorflow-1.15", partial(_averaged, "new/model-9"), "new"
    ),
    "safetensors": Operation(
        "tensorflow-1.15",
        partial(_sent, "new/m.safetensors"),
        "new/m.safetensors",
        open=tfa.import_checkpoint,
    ),
    "safetensors in shards": Operation(
        "tensorflow-1.15",
        partial(_sent, "m.safetensors", most="30"),
        "m.safetensors.index.json",
        prefix="m",
        index=".safetensors.index.json",
        open=tfa.import_checkpoint,
    ),
    "archive over another": Operation(
        "tensorflow-1.15",
        partial(_sent, "m.npz", overwrite=True),
        "m.npz",
        there={"m.npz": "digits/test_digits.npz"},
        may_run_again=True,
        open=tfa.import_checkpoint,
    ),
    "folder of arrays": Operation(
        "tensorflow-1.15", partial(_sent, "m/"), "m", open=tfa.import_checkpoint
    ),
    "meta graph": Operation("graphs", partial(_copied, "graphs/model.meta", "m.meta"), "m.meta"),
    "signature in a text": Operation(
        "saved-models",
        partial(_edited, "model"),
        "model",
        there={"model": "saved-models/text"},
        goes_last="model/saved_model.pbtxt",
        may_run_again=True,
    ),
    "manifest of a SavedModel": Operation(
        "saved-models",
        partial(_summed, "model"),
        "model",
        there={"model": MODEL},
        made_first="model/assets.extra",
        may_run_again=True,
    ),
    "manifest over another": Operation(
        "saved-models",
        partial(_summed, "model", overwrite=True),
        "model",
        there={"model": TABLES, f"model/{SAVED_MODEL_MANIFEST}": "README.md"},
        may_run_again=True,
    ),
    "manifest of a checkpoint": Operation(
        "lookup-table", partial(_summed, "runs/ckpt-1"), "runs", there=KEPT, may_run_again=True
    ),
    "state file repaired": Operation(
        "lookup-table",
        partial(_repaired, "runs", False),
        "runs",
        there={**KEPT, **TO_LIST},
        may_run_again=True,
    ),
    "state file repaired, the old one kept": Operation(
        "lookup-table",
        partial(_repaired, "runs", True),
        "runs",
        there={**KEPT, **TO_LIST},
        backup="runs/checkpoint.bak",
        may_run_again=True,
    ),
}
