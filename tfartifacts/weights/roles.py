"""What each variable of a checkpoint is for: the model, its optimizer, averages, bookkeeping.

Told from names, as a checkpoint has nothing else; from the object graph where there is one.

    name-based     <variable>/<Slot>                    w/Adam, w/Adam_1, w/Momentum, w/adam_m
                   <scope>/<variable>/<Slot>            OptimizeLoss/w/Adam, training/Adam/w/m
                   <variable>/<scope>/<Slot>            w/t_0/Adagrad (of a partitioned variable)
                   <variable>_slot_<slot>               w_slot_vr (Adafactor)
                   <variable>/ExponentialMovingAverage  an average
                   beta1_power, global_step, ...
    object-based   <path>/.OPTIMIZER_SLOT/<path>/<slot>/.ATTRIBUTES/VARIABLE_VALUE
                   <optimizer>/_variables/2/..., <optimizer>/_momentums/0/...      (Keras 2.11, 3)
                   <optimizer>/_trainable_variables/0/... is the model's: the shortest path to it
                   _all_variables/0/... repeats variables/0/... in a Keras 3 export

A slot has the shape of its variable. One pass over the names, each looked up a few times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from tfartifacts.errors import TfArtifactsError
from tfartifacts.model import Checkpoint, ObjectGraph, Variable
from tfartifacts.records import dataclass

Role = Literal["model", "optimizer", "average", "bookkeeping", "copy"]

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_SLOT_MARK = "/.OPTIMIZER_SLOT/"
# Deeper names are no layers'; the cap keeps one made of slashes from costing its square.
_MOST_SCOPES = 40

_KNOWN_SLOT = re.compile(
    r"(Adam\w*|Momentum|RMSProp|RMSprop|Adagrad\w*|Adadelta|Ftrl|Nadam|AdaMax|LAMB\w*|LARS\w*|"
    r"Adafactor|Yogi|NovoGrad|Lookahead|YellowFin|PowerSign|AddSign|GGT|Shampoo|SGD|"
    r"GradientDescent|ProximalAdagrad|CenteredRMSProp|LazyAdam\w*|LossScale\w*|"
    r"m|v|vhat|mg|ms|mom|rms|momentum|velocity|accumulator|accum_grad|accum_var|linear|slow|"
    r"(adam|lamb|adamw|lars)_[mv]|gradient_accumulator|grad_accum\w*|psi|vr|vc)(_\d+)?\Z"
)
_AVERAGE = re.compile(r"(ExponentialMovingAverage|EMA|ema|moving_avg)(_\d+)?\Z")
_OPTIMIZER = (
    r"(Adam|AdamW|Adamax|Nadam|SGD|RMSprop|Adagrad|Adadelta|Ftrl|Adafactor|Lion|LossScaleOptimizer|"
    r"TFOptimizer|AdamWeightDecay|LAMB|Yogi)"
)
# Keras in TensorFlow 1 put everything of the optimizer below this, slots without a name included.
_KERAS_SCOPE = re.compile(rf"\A([^/]+/)?training(_\d+)?/{_OPTIMIZER}(_\d+)?/")
_HYPERPARAMETER = re.compile(
    r"(\A|/)(beta_?[12](_power)?|beta[12]_power|decay|learning_rate|_learning_rate|lr|momentum|rho|"
    r"epsilon|m_cache|weight_decay|initial_accumulator_value)(_\d+)?\Z"
)
_OPTIMIZER_WORD = re.compile(r"opt(im(izer)?)?(_\d+)?\Z|optimizer|_opt\Z", re.IGNORECASE)
_OPTIMIZER_NAME = re.compile(rf"(\A|/){_OPTIMIZER}(_\d+)?/", re.IGNORECASE)
# Lists a Keras optimizer keeps its variables in.
_OPTIMIZER_LIST = re.compile(
    r"\A(.*?)/?(_variables|_momentums|_velocities|_velocity_hats|_accumulators|_accumulated_grads|"
    r"_accumulated_delta_vars|_average_gradients|_linears|_u|_m|_v|_r|_c|_slots)/\d+\Z"
)
_AVERAGE_LIST = re.compile(r"_model_variables_(moving_)?average/\d+\Z")
_METRIC_PATH = re.compile(r"(\A|/)(keras_api/metrics|_?metrics|compiled_metrics)/")
_BOOKKEEPING = re.compile(
    r"(\A|/)(global_step|save_counter|iterations?|_iterations|iter|epochs?|current_epoch|"
    r"ckpt_saved_epoch|local_step|global_steps|total|count|true_positives|true_negatives|"
    r"false_positives|false_negatives|total_cm|_state_var|rng_state|seed_generator_state|"
    r"current_loss_scale|good_steps|loss_scale|dynamic_counter|step_counter|biased|"
    r"sync_rep_local_step|num_updates|_current_iter\w*)(_\d+)?\Z"
)
# Counters that an optimizer keeps below its name.
_OPTIMIZER_COUNTER = re.compile(
    r"(iter|_?iterations?|_current_iter\w*|current_loss_scale|loss_scale|good_steps|"
    r"dynamic_counter|step_counter)(_\d+)?\Z"
)
_SLOT_SUFFIX = re.compile(r"_slot_(vr|vc|v|m)(_\d+)?\Z")


@dataclass(frozen=True, slots=True)
class Account:
    """Parameters (elements) and bytes as stored, by what they are for.

    `other` is bookkeeping and second copies.
    """

    model_parameters: int = 0
    model_bytes: int = 0
    optimizer_parameters: int = 0
    optimizer_bytes: int = 0
    average_parameters: int = 0
    average_bytes: int = 0
    other_parameters: int = 0
    other_bytes: int = 0


def variable_roles(checkpoint: Checkpoint) -> Mapping[str, Role]:
    """For each variable what it is for, in the order of `checkpoint.variables`.

    "model"        weights, statistics of normalization, tables
    "optimizer"    slots, powers of beta, learning rates
    "average"      moving averages of weights
    "bookkeeping"  steps, counters, metrics, random states, the object graph
    "copy"         a variable the checkpoint has under another key as well

    Reads no values, except the object graph of an object-based checkpoint; where that one is
    damaged the names alone decide.
    """
    try:
        object_graph = checkpoint.object_graph if _is_object_based(checkpoint) else None
    except TfArtifactsError:
        # Reported by whoever reads it; the names of the keys still say nearly everything.
        object_graph = None
    names = _Names(checkpoint.variables, object_graph)
    return {key: names.role(key, variable) for key, variable in checkpoint.variables.items()}


def optimizer_variables(
    checkpoint: Checkpoint, roles: Mapping[str, Role] | None = None
) -> frozenset[str]:
    """What an optimizer alone needs: its variables, and its own counters and loss scales.

    A global_step, which summaries and schedules go by, is not among them, nor other counters.
    """
    roles = variable_roles(checkpoint) if roles is None else roles
    return frozenset(
        name
        for name, role in roles.items()
        if role == "optimizer" or (role == "bookkeeping" and _is_of_an_optimizer(name))
    )


def _is_of_an_optimizer(name: str) -> bool:
    scope, _, last = name.removesuffix(_VALUE_SUFFIX).rpartition("/")
    if not _OPTIMIZER_COUNTER.match(last):
        return False
    return bool(
        _KERAS_SCOPE.match(name)
        or _OPTIMIZER_NAME.search(f"{scope}/")
        or any(map(_OPTIMIZER_WORD.search, scope.split("/", _MOST_SCOPES)))
    )


def account(checkpoint: Checkpoint, roles: Mapping[str, Role] | None = None) -> Account:
    """The sizes of a checkpoint by role; `roles` as variable_roles gives them, if at hand."""
    roles = variable_roles(checkpoint) if roles is None else roles
    parameters: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for key, variable in checkpoint.variables.items():
        role = roles.get(key, "model")
        kind = "other" if role in ("bookkeeping", "copy") else role
        parameters[kind] = parameters.get(kind, 0) + variable.num_elements
        sizes[kind] = sizes.get(kind, 0) + variable.nbytes
    return Account(
        *(
            amounts.get(kind, 0)
            for kind in ("model", "optimizer", "average", "other")
            for amounts in (parameters, sizes)
        )
    )


def _is_object_based(checkpoint: Checkpoint) -> bool:
    return OBJECT_GRAPH_KEY in checkpoint.variables


class _Names:
    """The keys of one checkpoint, ready to be looked up."""

    def __init__(self, variables: Mapping[str, Variable], object_graph: ObjectGraph | None) -> None:
        self.variables = variables
        self.object_based = OBJECT_GRAPH_KEY in variables
        self.full_names = object_graph.full_names if object_graph is not None else {}
        self.slot_keys = object_graph.slot_keys if object_graph is not None else frozenset()
        # Objects that count iterations are optimizers, whatever attribute holds them.
        self.optimizers = frozenset(
            key[: -len(_VALUE_SUFFIX)].rpartition("/")[0]
            for key in variables
            if key.endswith(("/_iterations" + _VALUE_SUFFIX, "/iter" + _VALUE_SUFFIX))
        )
        self.exported = self._exported()

    def _exported(self) -> frozenset[tuple[str, tuple[int, ...]]]:
        return frozenset(
            (self.full_names[key], variable.shape)
            for key, variable in self.variables.items()
            if key.startswith("variables/") and key in self.full_names
        )

    def role(self, key: str, variable: Variable) -> Role:
        if key == OBJECT_GRAPH_KEY:
            return "bookkeeping"
        if key.endswith(_VALUE_SUFFIX) or key in self.slot_keys:
            return self._object_role(key, variable)
        if self.object_based and "/.ATTRIBUTES/" in key:
            # What an object saves besides variables: tables (the model's), iterators, configs.
            last = key.rpartition("/")[2]
            return "bookkeeping" if last in ("OBJECT_CONFIG_JSON", "ITERATOR_STATE") else "model"
        return self._name_role(key, variable)

    def _object_role(self, key: str, variable: Variable) -> Role:
        path, mark, slot = key.removesuffix(_VALUE_SUFFIX).partition(_SLOT_MARK)
        if mark or key in self.slot_keys:
            last = slot.rpartition("/")[2]
            return "average" if last == "average" else "optimizer"
        if _AVERAGE_LIST.search(path):
            return "average"
        if path.startswith("_all_variables/"):
            name = self.full_names.get(key)
            return "copy" if (name, variable.shape) in self.exported else "model"
        if _is_counter(variable) or _BOOKKEEPING.search(path) or _METRIC_PATH.search(path):
            return "bookkeeping"
        listed = _OPTIMIZER_LIST.match(path)
        if listed and self._is_optimizer(listed[1]):
            return "optimizer"
        parent = path.rpartition("/")[0]
        if self._is_optimizer(parent) and not variable.shape:
            return "optimizer"
        name = self.full_names.get(key, "")
        if name and _BOOKKEEPING.search(name) and _is_random_state(name):
            return "bookkeeping"
        return "model"

    def _is_optimizer(self, path: str) -> bool:
        return path in self.optimizers or bool(_OPTIMIZER_WORD.search(path.rpartition("/")[2]))

    def _name_role(self, key: str, variable: Variable) -> Role:
        scope, _, last = key.rpartition("/")
        if _AVERAGE.match(last):
            return "average"
        if _is_counter(variable) or (_BOOKKEEPING.search(key) and not self._is_weight(variable)):
            return "bookkeeping"
        if _KERAS_SCOPE.match(key):
            return "optimizer"
        if not variable.shape and _HYPERPARAMETER.search(key):
            powers = last.startswith(("beta1_power", "beta2_power"))
            if powers or _OPTIMIZER_NAME.search(key) or "training" in scope or last == "lr":
                return "optimizer"
        if scope and self._is_slot(scope, last, variable):
            return "optimizer"
        suffix = _SLOT_SUFFIX.search(key)
        if suffix and key[: suffix.start()] in self.variables:
            return "optimizer"
        if _METRIC_PATH.search(key) and not self._is_weight(variable):
            return "bookkeeping"
        return "model"

    def _is_weight(self, variable: Variable) -> bool:
        """Matrices and kernels are never bookkeeping, whatever they are called."""
        return len(variable.shape) >= 2

    def _is_slot(self, scope: str, last: str, variable: Variable) -> bool:
        """Whether `scope` leads to a variable of this shape that could have the slot `last`."""
        known = _KNOWN_SLOT.match(last) is not None
        owner = self.variables.get(scope)
        if owner is not None and owner.shape == variable.shape:
            # A variable below another one of its shape is a slot; two scalars may be chance.
            return known or bool(variable.shape)
        if not known:
            return False
        parts = scope.split("/", _MOST_SCOPES)
        for skipped in range(1, len(parts)):
            for name in ("/".join(parts[skipped:]), "/".join(parts[:-skipped])):
                owner = self.variables.get(name)
                if owner is not None and owner.shape == variable.shape:
                    return True
        return False


def averaged_variable(average: str, variables: Mapping[str, Variable]) -> str:
    """The name of the variable that an average (see variable_roles) is of.

    The longest part of the name behind a scope that is a variable's; where none is, all of it.
    """
    path, mark, _ = average.partition(_SLOT_MARK)
    if mark:
        return path + _VALUE_SUFFIX
    scope = average.rpartition("/")[0]
    parts = scope.split("/", _MOST_SCOPES)
    for skipped in range(len(parts)):
        name = "/".join(parts[skipped:])
        if name in variables:
            return name
    return scope


def _is_counter(variable: Variable) -> bool:
    """A scalar integer: a step, an epoch, a number of updates."""
    return not variable.shape and variable.dtype.name.startswith(("int", "uint"))


def _is_random_state(name: str) -> bool:
    return "seed_generator_state" in name or "rng" in name
