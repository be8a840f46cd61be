"""What compiled modules call: custom calls of StableHLO, told by the strings of the module.

XlaCallModule.module : MLIR bytecode (mlir_bytecode.py), or MLIR as text
custom call          : op stablehlo.custom_call, attribute call_target_name: native code that
                       the process has registered under that name, Python callbacks among it
"""

from __future__ import annotations

import re

from tfartifacts.checks.scan.vhlo_names import VHLO_NAMES
from tfartifacts.errors import FormatError
from tfartifacts.formats.mlir_bytecode import MAGIC, bytecode_strings
from tfartifacts.records import dataclass

# Annotations for the compiler, and calls of functions of the graph's library, which are looked at.
_HARMLESS = frozenset(
    {
        *("Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape", "LayoutConstraint"),
        *("tf.call_tf_function", "stablehlo.dynamic_top_k", "chlo.top_k", "mhlo.topk", "TopK"),
        *(
            "stablehlo.dynamic_reduce_window",
            "shape_assertion",
            "stablehlo.dynamic_rng_bit_generator",
        ),
        *("xla.sdy.FuncResultSharding", "xla.sdy.GlobalToLocalShape", "xla.sdy.LocalToGlobalShape"),
    }
)
# Strings of every module that are no targets: dialects and attributes; vhlo_names has the rest.
_OTHER = re.compile(
    r"(builtin|vhlo|stablehlo|mhlo|chlo|sdy|func|main|public|private|nested|)\Z|"
    r"(sym_name|sym_visibility|function_type|arg_attrs|res_attrs|call_target_name|has_side_effect|"
    r"backend_config|api_version|called_computations|operand_layouts|result_layouts|value|callee|"
    r"output_operand_aliases|"
    r"mhlo\.(sharding|num_partitions|num_replicas|layout_mode|memory_kind|is_dynamic|"
    r"frontend_attributes|cross_program_prefetches|input_output_alias(es)?|"
    r"is_same_data_across_replicas)|"
    r"jax\.(arg_info|result_info|buffer_donor|uses_shape_polymorphism|global_constant)|"
    r"tf\.aliasing_output|sdy\.(sharding|mesh|meshes)|"
    r"\{[a-z,=\d\[\] {}]*\})\Z"
)
_TEXT_TARGET = re.compile(
    rb"custom_call\s*@([\w.$-]+|\"[^\"]*\")|call_target_name\s*=\s*\"([^\"]*)\""
)
# A call may be written in many ways: in generic form, with comments, with targets defined
# elsewhere, escaped. MLIR itself escapes no letters.
_HIDDEN_CALL = re.compile(rb"custom_call(?!\s*@[\w.$-]+\()|\\(?!22|5[Cc])[2-7][0-9A-Fa-f]")
_TEXT_START = re.compile(rb"\s*(//[^\n]*\n\s*)*(#|module|func|builtin)")
_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class Module:
    """A compiled module. `is_readable`: its strings could be listed.

    `targets` are likely names of what its custom calls call; empty where it has none.
    `has_calls`: it has custom calls other than for the compiler, whether or not their names are
    told.
    """

    is_readable: bool
    has_calls: bool
    targets: tuple[str, ...] = ()


def look_at(module: bytes) -> Module:
    """What a module calls, without compiling it."""
    if module.startswith(MAGIC):
        try:
            strings = {string.decode("utf-8", "replace") for string in bytecode_strings(module)}
        except FormatError:
            return Module(False, True)
        if not any("custom_call" in string for string in strings):
            return Module(True, False)
        # Which of its strings are targets is not told apart: all that may be one count.
        likely = sorted(s for s in strings - _HARMLESS if s and not _is_of_the_form(s))
        if not likely and not strings & _HARMLESS:
            return Module(True, True)
        return Module(True, bool(likely), tuple(likely[:_MOST_NAMED]))
    if _TEXT_START.match(module):
        found = (first or second for first, second in _TEXT_TARGET.findall(module))
        names = {name.decode("utf-8", "replace").strip('"') for name in found}
        targets = sorted(names - _HARMLESS)
        has_calls = bool(targets) or bool(_HIDDEN_CALL.search(module))
        return Module(True, has_calls, tuple(targets[:_MOST_NAMED]))
    return Module(False, True)


def _is_of_the_form(string: str) -> bool:
    name = string.removeprefix("vhlo.")
    return name in VHLO_NAMES or _OTHER.match(string) is not None
