"""What the variables of a checkpoint are for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tfartifacts.dtypes import dtype_from_name
from tfartifacts.errors import ChecksumError
from tfartifacts.model import Checkpoint, CheckpointDirectory, ObjectGraph, SavedModel, Variable
from tfartifacts.model.values import Always, Deferred
from tfartifacts.weights.roles import (
    Account,
    account,
    averaged_variable,
    optimizer_variables,
    variable_roles,
)

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def checkpoint(
    shapes: Mapping[str, tuple[int, ...]],
    dtypes: Mapping[str, str] | None = None,
    object_graph: ObjectGraph | None = None,
) -> Checkpoint:
    variables = {
        name: Variable(name, dtype_from_name((dtypes or {}).get(name, "float32")), shape, None)
        for name, shape in shapes.items()
    }
    return Checkpoint("m", "V2", 1, variables, object_graph_part=Deferred(Always(object_graph)))


def roles_of(*names: str, shape: tuple[int, ...] = (3, 2)) -> dict[str, str]:
    return dict(variable_roles(checkpoint(dict.fromkeys(names, shape))))


@pytest.mark.parametrize(
    "slot",
    [
        "w/Adam",
        "w/Adam_1",
        "w/Momentum",
        "w/RMSProp",
        "w/RMSProp_1",
        "w/Adagrad",
        "w/Adadelta_1",
        "w/Ftrl",
        "w/adam_m",
        "w/adam_v",
        "w/my_own_slot",
        "w/t_0/Adagrad",
        "OptimizeLoss/w/Adam",
        "training/Adam/w/m",
        "a/b/c/w/Adam_1",
        "w_slot_vr",
        "training/Adam/Variable_12",
    ],
)
def test_slots_are_the_optimizers(slot: str) -> None:
    assert roles_of("w", slot) == {"w": "model", slot: "optimizer"}


@pytest.mark.parametrize("name", ["Adam", "m", "v/m", "scope/Momentum", "encoder/m"])
def test_without_its_variable_a_name_makes_no_slot(name: str) -> None:
    assert roles_of("w", name) == {"w": "model", name: "model"}


def test_a_slot_has_the_shape_of_its_variable() -> None:
    found = variable_roles(checkpoint({"w": (3, 2), "w/Adam": (2,), "w/kernel": (2,)}))
    assert set(found.values()) == {"model"}


def test_two_scalars_may_be_chance() -> None:
    assert roles_of("scale", "scale/offset", shape=())["scale/offset"] == "model"
    assert roles_of("scale", "scale/Adam", shape=())["scale/Adam"] == "optimizer"


def test_powers_and_rates_are_the_optimizers() -> None:
    names = ["beta1_power", "beta2_power_1", "OptimizeLoss/beta1_power", "training/Adam/beta_1"]
    assert set(roles_of(*names, shape=()).values()) == {"optimizer"}


def test_averages_are_told_apart() -> None:
    found = roles_of("w", "w/ExponentialMovingAverage", "w/Momentum")
    assert found["w/ExponentialMovingAverage"] == "average"
    assert found["w/Momentum"] == "optimizer"


def test_statistics_of_batch_normalization_are_the_models() -> None:
    names = ["bn/gamma", "bn/beta", "bn/moving_mean", "bn/moving_variance"]
    assert set(roles_of(*names, shape=(4,)).values()) == {"model"}


def test_steps_counters_and_metrics_are_bookkeeping() -> None:
    shapes: dict[str, tuple[int, ...]] = {
        "global_step": (),
        "accuracy/total": (),
        "accuracy/count": (),
        "auc/true_positives": (200,),
        "layer/updates_so_far": (),
    }
    found = variable_roles(checkpoint(shapes, {"layer/updates_so_far": "int64"}))
    assert set(found.values()) == {"bookkeeping"}


def test_a_matrix_called_count_is_a_weight() -> None:
    assert roles_of("words/count") == {"words/count": "model"}


OBJECTS: dict[str, tuple[tuple[int, ...], str]] = {
    OBJECT_GRAPH: ((), "bookkeeping"),
    "save_counter" + VALUE: ((), "bookkeeping"),
    "model/kernel" + VALUE: ((3, 2), "model"),
    "model/kernel/.OPTIMIZER_SLOT/optimizer/m" + VALUE: ((3, 2), "optimizer"),
    "model/kernel/.OPTIMIZER_SLOT/optimizer/average" + VALUE: ((3, 2), "average"),
    "optimizer/iter" + VALUE: ((), "bookkeeping"),
    "optimizer/learning_rate" + VALUE: ((), "optimizer"),
    "opt/_iterations" + VALUE: ((), "bookkeeping"),
    "opt/_variables/2" + VALUE: ((3, 2), "optimizer"),
    "opt/_momentums/0" + VALUE: ((3, 2), "optimizer"),
    "opt/_trainable_variables/0" + VALUE: ((3, 2), "model"),
    "opt/_model_variables_moving_average/0" + VALUE: ((3, 2), "average"),
    "model/_variables/0" + VALUE: ((3, 2), "model"),
    "keras_api/metrics/0/total" + VALUE: ((), "bookkeeping"),
    "table/.ATTRIBUTES/table-keys": ((5,), "model"),
    "hidden_slot" + VALUE: ((3, 2), "optimizer"),
}


def test_paths_of_objects_tell_their_roles() -> None:
    graph = ObjectGraph(3, {}, frozenset(["hidden_slot" + VALUE]))
    shapes = {name: shape for name, (shape, _) in OBJECTS.items()}
    found = variable_roles(checkpoint(shapes, {OBJECT_GRAPH: "string"}, graph))
    assert dict(found) == {name: role for name, (_, role) in OBJECTS.items()}


def test_the_second_list_of_a_keras_export_is_a_copy() -> None:
    shapes: dict[str, tuple[int, ...]] = {
        OBJECT_GRAPH: (),
        "_all_variables/0" + VALUE: (3, 2),
        "_all_variables/1" + VALUE: (2,),
        "variables/0" + VALUE: (3, 2),
    }
    names = {"_all_variables/0": "kernel", "_all_variables/1": "bias", "variables/0": "kernel"}
    graph = ObjectGraph(2, {key + VALUE: name for key, name in names.items()}, frozenset())
    found = variable_roles(checkpoint(shapes, object_graph=graph))
    assert found["_all_variables/0" + VALUE] == "copy"
    assert found["_all_variables/1" + VALUE] == "model"
    assert found["variables/0" + VALUE] == "model"


def test_a_damaged_object_graph_leaves_the_names() -> None:
    def damaged() -> Any:
        raise ChecksumError("block checksum 0x1, computed 0x2")

    shapes: dict[str, tuple[int, ...]] = {
        OBJECT_GRAPH: (),
        "w/.OPTIMIZER_SLOT/optimizer/m" + VALUE: (3,),
    }
    variables = checkpoint(shapes).variables
    found = Checkpoint("m", "V2", 1, variables, object_graph_part=Deferred(damaged))
    assert set(variable_roles(found).values()) == {"bookkeeping", "optimizer"}


def test_sizes_are_counted_by_role() -> None:
    shapes: dict[str, tuple[int, ...]] = {
        "w": (3, 2),
        "w/Adam": (3, 2),
        "w/Adam_1": (3, 2),
        "w/ExponentialMovingAverage": (3, 2),
        "beta1_power": (),
        "global_step": (),
    }
    counted = account(checkpoint(shapes))
    assert counted.model_parameters == 6
    assert counted.optimizer_parameters == 13
    assert counted.average_parameters == 6
    assert counted.other_parameters == 1


def test_an_empty_checkpoint_counts_nothing() -> None:
    assert account(checkpoint({})) == Account()


def test_a_hundred_thousand_variables_take_time_in_proportion() -> None:
    deep = "/".join(["scope"] * 200)
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(25_000):
        shapes[f"layer_{number}/kernel"] = (3, 2)
        shapes[f"layer_{number}/kernel/Adam"] = (3, 2)
        shapes[f"training/layer_{number}/kernel/Adam_1"] = (3, 2)
        shapes[f"{deep}/{number}/Adam"] = (3, 2)
    many = checkpoint(shapes)
    started = time.process_time()
    found = Counter(variable_roles(many).values())
    # Measured: 2 s, nearly all of it for the deep names.
    assert time.process_time() - started < 20
    assert found == {"model": 50_000, "optimizer": 50_000}


def test_the_tutorial_has_twice_its_parameters_in_slots(fixtures: Path) -> None:
    directory = tfa.open(fixtures / "digits" / "checkpoints")
    assert isinstance(directory, CheckpointDirectory)
    assert directory.latest is not None
    counted = account(directory.latest)
    assert counted.model_parameters == 2830
    assert counted.model_bytes == 4 * 2830
    # Two slots for each parameter, and two powers of beta.
    assert counted.optimizer_parameters == 2 * 2830 + 2
    assert counted.other_parameters == 0


def test_partitioned_variables_have_slots_too(fixtures: Path) -> None:
    (index,) = (fixtures / "tensorflow-1.15" / "part").glob("*.index")
    opened = tfa.open(index)
    assert isinstance(opened, Checkpoint)
    assert Counter(variable_roles(opened).values()) == {
        "model": 3,
        "optimizer": 8,
        "bookkeeping": 1,
    }


def test_a_keras_checkpoint_keeps_its_weights_below_the_optimizer(fixtures: Path) -> None:
    opened = tfa.open(fixtures / "keras" / "ckpt-1.index")
    assert isinstance(opened, Checkpoint)
    found = variable_roles(opened)
    assert found["optimizer/_trainable_variables/0" + VALUE] == "model"
    assert found["optimizer/_variables/2" + VALUE] == "optimizer"
    # 4x5 + 5 + 5x3 + 3; two slots for each, and the learning rate.
    assert account(opened).model_parameters == 43
    assert account(opened).optimizer_parameters == 2 * 43 + 1


def test_a_keras_export_counts_its_weights_once(fixtures: Path) -> None:
    export = tfa.open(fixtures / "keras" / "export")
    assert isinstance(export, SavedModel)
    assert export.checkpoint is not None
    assert account(export.checkpoint).model_parameters == 43
    assert account(export.checkpoint).optimizer_parameters == 0


# Model and optimizer parameters.
REAL = {
    "124_shard_genomic": (110_868, 221_421),
    "140_odd_flat_keras": (2945, 5891),
    "236_odd_finance_mixed_shards": (3075, 6154),
}


@pytest.mark.parametrize("name", REAL)
def test_public_keras_models_are_accounted(shared_artifacts: Path, name: str) -> None:
    opened = tfa.open(shared_artifacts / "real" / name)
    assert isinstance(opened, SavedModel)
    assert opened.checkpoint is not None
    counted = account(opened.checkpoint)
    assert (counted.model_parameters, counted.optimizer_parameters) == REAL[name]


@pytest.mark.parametrize(
    ("name", "is_of_an_optimizer"),
    [
        ("global_step", False),
        ("save_counter" + VALUE, False),
        ("step" + VALUE, False),
        ("epoch", False),
        ("iterations", False),
        ("net/iterations", False),
        ("total", False),
        ("training/Adam/iterations", True),
        ("Adam/iter", True),
        ("my_optimizer/loss_scale", True),
        ("optimizer/iter" + VALUE, True),
        ("optimizer/_iterations" + VALUE, True),
        ("optimizer/_current_iteration" + VALUE, True),
        ("model/optimizer/loss_scale/current_loss_scale" + VALUE, True),
    ],
)
def test_counters_of_an_optimizer_are_told_from_others(name: str, is_of_an_optimizer: bool) -> None:
    shapes: dict[str, tuple[int, ...]] = {"net/w": (3, 2), name: ()}
    if name.endswith(VALUE):
        shapes[OBJECT_GRAPH] = ()
    found = optimizer_variables(checkpoint(shapes, {name: "int64", OBJECT_GRAPH: "string"}))
    assert found == ({name} if is_of_an_optimizer else set())


@pytest.mark.parametrize(
    ("average", "variable"),
    [
        ("net/w/ExponentialMovingAverage", "net/w"),
        ("scope/net/w/ExponentialMovingAverage", "net/w"),
        ("w/ExponentialMovingAverage", "w"),
        ("other/ExponentialMovingAverage", "other"),
        ("net/w/.OPTIMIZER_SLOT/optimizer/average" + VALUE, "net/w" + VALUE),
    ],
)
def test_the_variable_that_an_average_is_of(average: str, variable: str) -> None:
    there = checkpoint(dict.fromkeys(("net/w", "w"), (3,))).variables
    assert averaged_variable(average, there) == variable


def test_an_average_of_many_scopes_takes_no_time() -> None:
    start = time.monotonic()
    assert averaged_variable("a/" * 100_000 + "EMA", {}).startswith("a/a/")
    assert time.monotonic() - start < 5
