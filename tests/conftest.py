"""What tests share: the two TensorFlow installations as judges, the fixtures, real artifacts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import CommandLine
from tests.conversion import Source, make_sources
from tests.judges import installations
from tests.judges.client import Judge

PROJECT = Path(__file__).resolve().parents[1]


def _judge(version: str) -> Iterator[Judge]:
    (installation,) = (
        candidate for candidate in installations.INSTALLATIONS if candidate.version == version
    )
    python, reason = installations.find(installation)
    if python is None:
        pytest.skip(reason)
    with Judge(python) as judge:
        yield judge


@pytest.fixture(scope="session")
def tensorflow_1_15() -> Iterator[Judge]:
    """TensorFlow 1.15, or a skip that says how to install it."""
    yield from _judge("1.15")


@pytest.fixture(scope="session")
def tensorflow_2_21() -> Iterator[Judge]:
    """TensorFlow 2.21, or a skip that says how to install it."""
    yield from _judge("2.21")


@pytest.fixture(scope="session")
def command_line(tensorflow_2_21: Judge) -> Iterator[CommandLine]:
    """The command line in a process that has TensorFlow 2.21."""
    with CommandLine(tensorflow_2_21.python) as command_line:
        yield command_line


@pytest.fixture(params=["1.15", "2.21"])
def tensorflow(request: pytest.FixtureRequest) -> Judge:
    """Each TensorFlow in turn."""
    judge: Judge = request.getfixturevalue(f"tensorflow_{request.param.replace('.', '_')}")
    return judge


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """The folder `fixtures/` of the project."""
    return PROJECT / "fixtures"


@pytest.fixture(scope="session")
def shared_artifacts() -> Path:
    """The artifacts beside the project, or a skip: a clone stands on its own fixtures."""
    path = PROJECT.parent / "shared" / "artifacts"
    if not path.is_dir():
        pytest.skip(f"no artifacts in {path}")
    return path


def _sources(judge: Judge, name: str, factory: pytest.TempPathFactory) -> dict[str, Source]:
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # One folder for all workers of a session.
        folder = folder.parent
    return make_sources(judge, folder / name)


@pytest.fixture(scope="session")
def sources_1_15(
    tensorflow_1_15: Judge, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Source]:
    """The sources of tests/judges/sources.py, by kind, as TensorFlow 1.15 writes them."""
    return _sources(tensorflow_1_15, "by_1_15", tmp_path_factory)


@pytest.fixture(scope="session")
def sources_2_21(
    tensorflow_2_21: Judge, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Source]:
    """The same, as TensorFlow 2.21 writes them."""
    return _sources(tensorflow_2_21, "by_2_21", tmp_path_factory)
