"""Without a target: writing, editing, importing and comparing, against copying and reading."""

from __future__ import annotations

from benchmarks.data import bert
from benchmarks.data.place import size_text
from benchmarks.measuring.cases import Case, Limit, Side
from benchmarks.targets.converting import copies
from benchmarks.targets.setting import Setting, data_file, program, tool

_PAIRS = 3  # nothing is demanded


def cases(setting: Setting) -> list[Case]:
    return [_written(setting), _edited(setting), _exchanged(setting), _compared(setting)]


def _written(setting: Setting) -> Case:
    size = setting.plain_bert.num_bytes
    prefix = setting.result("written/m")
    sides = (
        Side(
            "CheckpointWriter, in blocks",
            (program("ours_write", prefix, str(size)),),
            makes=(setting.result("written"),),
        ),
        *copies(setting, data_file(setting.bert_prefix)),
    )
    return _case(setting, "write", "write a checkpoint of", sides)


def _edited(setting: Setting) -> Case:
    step = tool("edit", setting.bert_prefix, setting.result("edited/m"), "--rename", "bert/=b/")
    sides = (
        Side("edit --rename", (step,), makes=(setting.result("edited"),)),
        *copies(setting, data_file(setting.bert_prefix)),
    )
    return _case(setting, "edit", "rename the variables of", sides)


def _exchanged(setting: Setting) -> Case:
    file = f"{setting.bert_as_safetensors.path(setting.root)}/{bert.SAFETENSORS}"
    folder, archive = setting.result("imported"), setting.result("model.npz")
    sides = (
        Side("import safetensors", (tool("import", file, f"{folder}/m"),), makes=(folder,)),
        Side("export to .npz", (tool("export", setting.bert_prefix, archive),), makes=(archive,)),
        *copies(setting, data_file(setting.bert_prefix)),
    )
    return _case(setting, "exchange", "import and export", sides)


def _compared(setting: Setting) -> Case:
    # Values differ throughout: where stored checksums are equal, nothing would be read.
    one, other = setting.bert_prefix, setting.adam_prefix
    ours, size = "diff, all variables differ", setting.plain_bert.num_bytes
    sides = (
        Side(ours, (tool("diff", one, other),), exit_codes=(1,)),
        Side("cat of as many bytes", (("cat", data_file(one), data_file(one)),)),
    )
    return Case(
        "diff",
        f"compare {size_text(size)} with {size_text(size)}",
        sides,
        (Limit(ours, sides[1].name, None),),
        datasets=(setting.plain_bert, setting.bert_with_adam),
        most_pairs=_PAIRS,
    )


def _case(setting: Setting, name: str, title: str, sides: tuple[Side, ...]) -> Case:
    size = setting.plain_bert.num_bytes
    copied = [side.name for side in sides if side.name.startswith("cp")]
    ours = [side.name for side in sides if not side.name.startswith("cp")]
    return Case(
        name,
        f"{title} {size_text(size)}",
        sides,
        tuple(Limit(mine, copy, None) for mine in ours for copy in copied),
        datasets=(setting.plain_bert, setting.bert_as_safetensors),
        room=size,
        most_pairs=_PAIRS,
    )
