"""Ask a TensorFlow installation: `Judge(python).run_checkpoint(prefix, {...}, {...})`.

A `Judge` starts one worker when first asked and keeps it, for importing TensorFlow takes seconds.
Feeds and results are NumPy arrays (strings: object arrays of bytes), paths are `str` or PathLike.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from tests.judges import exchange

PROJECT = Path(__file__).resolve().parents[2]

# An array of any dtype: the judge's answers are compared, not computed with.
Array = npt.NDArray[Any]
PathArgument = str | os.PathLike[str]


class JudgeError(Exception):
    """TensorFlow raised: `type` is the name of its exception, `text` what that said."""

    def __init__(self, type: str, text: str) -> None:
        super().__init__(f"{type}: {text}")
        self.type = type
        self.text = text


class JudgeDiedError(Exception):
    """The worker ended or was ended (timeout) without an answer; the text ends with its stderr."""


def numpy_dtype(name: str) -> np.dtype[Any]:
    """NumPy's dtype for TensorFlow's name; a quantized type is the integer that stores it."""
    name = exchange.QUANTIZED_STORAGE.get(name, name)
    return np.dtype(getattr(ml_dtypes, name, name))


def write_arrays(
    path: PathArgument, arrays: Mapping[str, Any], dtypes: Mapping[str, str] | None = None
) -> None:
    """Write arrays for the worker; `dtypes` names those NumPy cannot tell ({"q": "qint8"})."""
    exchange.write(
        os.fspath(path),
        {name: exchange.encode(array, (dtypes or {}).get(name)) for name, array in arrays.items()},
    )


def read_arrays(path: PathArgument) -> dict[str, Array]:
    """The arrays of a file the worker wrote, in its order."""
    return {
        name: exchange.decode(tensor, numpy_dtype)
        for name, tensor in exchange.read(os.fspath(path)).items()
    }


def sha256(array: Any) -> str:
    """The digest that `list_checkpoint` gives for a variable with these values."""
    return exchange.encode(array).sha256()


class Judge:
    """One TensorFlow installation, given by its Python executable."""

    def __init__(self, python: PathArgument, timeout: float = 180.0) -> None:
        self.python = os.fspath(python)
        self.timeout = timeout
        self._worker: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._unread = b""
        self._num_files = 0

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # ------------------------------------------------------------ the pipe

    def ask(self, request: str, *, timeout: float | None = None, **arguments: Any) -> Any:
        """The worker's answer to a request; paths and None as the methods below take them.

        Raises JudgeError for an error of TensorFlow's, JudgeDiedError for a worker that gives none.
        """
        message: dict[str, Any] = {"request": request}
        for name, value in arguments.items():
            if value is not None:
                message[name] = os.fspath(value) if isinstance(value, os.PathLike) else value
        worker = self._start()
        assert worker.stdin is not None
        try:
            worker.stdin.write(json.dumps(message).encode() + b"\n")
            worker.stdin.flush()
        except BrokenPipeError:
            raise self._died("the worker ended before it was asked") from None
        line = self._read_line(worker, self.timeout if timeout is None else timeout)
        answer = json.loads(line)
        if "error" in answer:
            raise JudgeError(**answer["error"])
        return answer["answer"]

    def close(self) -> None:
        """End the worker and remove its files; the next question starts another."""
        if self._worker is not None:
            assert self._worker.stdin is not None
            assert self._worker.stdout is not None
            with contextlib.suppress(BrokenPipeError):  # It ended first, all that is wanted.
                self._worker.stdin.close()
            try:
                self._worker.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._worker.kill()
                self._worker.wait()
            self._worker.stdout.close()
            self._worker = None
        self._unread = b""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _start(self) -> subprocess.Popen[bytes]:
        if self._worker is None:
            self._folder = tempfile.TemporaryDirectory(prefix="judge-")
            # stderr goes to a file: nobody would drain a pipe while waiting for an answer.
            with open(Path(self._folder.name, "stderr"), "wb") as stderr:
                self._worker = subprocess.Popen(
                    [self.python, "-m", "tests.judges.worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    cwd=PROJECT,
                    env=environment(),
                )
        return self._worker

    def _read_line(self, worker: subprocess.Popen[bytes], timeout: float) -> bytes:
        assert worker.stdout is not None
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(worker.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    worker.kill()
                    raise self._died(f"no answer within {timeout:g} s")
                received = os.read(worker.stdout.fileno(), 1 << 16)
                if not received:
                    raise self._died(f"the worker ended with exit code {worker.wait()}")
                self._unread += received
        line, self._unread = self._unread.split(b"\n", 1)
        return line

    def _died(self, reason: str) -> JudgeDiedError:
        assert self._folder is not None
        stderr = Path(self._folder.name, "stderr").read_text(errors="replace")
        self.close()
        return JudgeDiedError(f"{self.python}: {reason}\n{stderr[-4000:]}")

    def _file(self) -> str:
        """A new path for arrays, in a folder that lives as long as the worker."""
        self._start()
        assert self._folder is not None
        self._num_files += 1
        return str(Path(self._folder.name, f"{self._num_files}.npz"))

    def _send(self, arrays: Mapping[str, Any] | None) -> str | None:
        if arrays is None:
            return None
        path = self._file()
        write_arrays(path, arrays)
        return path

    def _receive(self, request: str, **arguments: Any) -> dict[str, Array]:
        """The arrays a request writes to its `output`."""
        output = self._file()
        self.ask(request, output=output, **arguments)
        arrays = read_arrays(output)
        os.unlink(output)
        return arrays

    # ------------------------------------------------------------ requests, as worker.py says them

    def version(self) -> dict[str, str]:
        """The versions: tensorflow, python, numpy, protobuf."""
        answer: dict[str, str] = self.ask("version")
        return answer

    def list_checkpoint(self, prefix: PathArgument) -> dict[str, dict[str, Any]]:
        """By name: dtype, shape, sha256; `reader_error`, `restore_error` where TensorFlow fails."""
        return {
            entry["name"]: {key: value for key, value in entry.items() if key != "name"}
            for entry in self.ask("list_checkpoint", prefix=prefix)
        }

    def read_checkpoint(self, prefix: PathArgument) -> dict[str, Array]:
        """The values of every variable that TensorFlow can read."""
        return self._receive("list_checkpoint", prefix=prefix)

    def restore_slice(
        self, prefix: PathArgument, name: str, dtype: str, shape_and_slice: str
    ) -> Array:
        """A slice of a variable by RestoreV2; `shape_and_slice` like "4 3 0,2:-"."""
        return self._receive(
            "restore_slice", prefix=prefix, name=name, dtype=dtype, shape_and_slice=shape_and_slice
        )[name]

    def latest_checkpoint(self, directory: PathArgument) -> str | None:
        """What `tf.train.latest_checkpoint` says."""
        answer: str | None = self.ask("latest_checkpoint", directory=directory)
        return answer

    def checkpoint_state(self, directory: PathArgument) -> dict[str, Any] | None:
        """What `tf.train.get_checkpoint_state` says, by the fields of CheckpointState."""
        answer: dict[str, Any] | None = self.ask("checkpoint_state", directory=directory)
        return answer

    def train_on(
        self, directory: PathArgument, name: str, steps: Sequence[int], max_to_keep: int
    ) -> list[str]:
        """Go on from the latest checkpoint with a Saver, saving at these steps: what it keeps."""
        answer: list[str] = self.ask(
            "train_on", directory=directory, name=name, steps=list(steps), max_to_keep=max_to_keep
        )
        return answer

    def manage(self, directory: PathArgument, name: str, max_to_keep: int) -> dict[str, Any]:
        """A CheckpointManager's `latest` and checkpoints `before` and `after` it has saved once."""
        answer: dict[str, Any] = self.ask(
            "manage", directory=directory, name=name, max_to_keep=max_to_keep
        )
        return answer

    def run_checkpoint(
        self,
        prefix: PathArgument,
        feeds: Mapping[str, Any],
        fetches: Sequence[str],
        *,
        meta: PathArgument | None = None,
        clear_devices: bool = True,
        initialize_tables: bool = False,
        initialize_feeds: Mapping[str, Any] | None = None,
        runs: int = 1,
        save_to: PathArgument | None = None,
        soft_placement: bool = False,
        optimize: bool = True,
    ) -> dict[str, Array]:
        """import_meta_graph, restore, run: values by the tensor name fetched.

        An op among `fetches` runs and gives no value; `runs` repeats all of it in one session;
        `save_to` is a prefix for Saver.save afterwards.
        """
        return self._receive(
            "run_checkpoint",
            prefix=prefix,
            fetches={name: name for name in fetches},
            feeds=self._send(feeds),
            meta=meta,
            clear_devices=clear_devices,
            initialize_tables=initialize_tables,
            initialize_feeds=self._send(initialize_feeds),
            runs=runs,
            save_to=save_to,
            soft_placement=soft_placement,
            optimize=optimize,
        )

    def run_saved_model_v1(
        self,
        directory: PathArgument,
        tags: Sequence[str],
        feeds: Mapping[str, Any],
        *,
        signature: str | None = None,
        fetches: Sequence[str] = (),
        clear_devices: bool = False,
        optimize: bool = True,
    ) -> dict[str, Array]:
        """tf.compat.v1.saved_model.load, run: values by signature key, and by tensor name fetched.

        Feeds go by signature key, or by tensor name; a sparse key has three parts, `key.values`,
        `key.indices`, `key.dense_shape`; a composite one `key.0`, `key.1`.
        """
        return self._receive(
            "run_saved_model_v1",
            directory=directory,
            tags=list(tags),
            signature=signature,
            feeds=self._send(feeds),
            fetches={name: name for name in fetches},
            clear_devices=clear_devices,
            optimize=optimize,
        )

    def run_saved_model_v2(
        self,
        directory: PathArgument,
        feeds: Mapping[str, Any],
        *,
        signature: str = "serving_default",
        tags: Sequence[str] | None = None,
    ) -> dict[str, Array]:
        """tf.saved_model.load of TensorFlow 2, call the signature: values by signature key."""
        return self._receive(
            "run_saved_model_v2",
            directory=directory,
            signature=signature,
            feeds=self._send(feeds),
            tags=None if tags is None else list(tags),
        )

    def run_saved_model_c(
        self,
        directory: PathArgument,
        tags: Sequence[str],
        feeds: Mapping[str, Any],
        *,
        signature: str = "serving_default",
    ) -> dict[str, Array]:
        """The C++ loader through the C API, call the signature: values by signature key."""
        return self._receive(
            "run_saved_model_c",
            directory=directory,
            tags=list(tags),
            signature=signature,
            feeds=self._send(feeds),
        )

    def is_valid_signature(self, content: bytes) -> bool:
        """Whether TensorFlow Serving can serve an encoded SignatureDef, in TensorFlow's opinion."""
        answer: bool = self.ask("is_valid_signature", hex=content.hex())
        return answer

    def write_bundle(
        self,
        prefix: PathArgument,
        arrays: Mapping[str, Any],
        *,
        dtypes: Mapping[str, str] | None = None,
        names: Mapping[str, str] | None = None,
        shape_and_slices: Mapping[str, str] | None = None,
        shards: Sequence[Sequence[str]] | None = None,
    ) -> None:
        """Write a V2 checkpoint by SaveV2 (and MergeV2Checkpoints for several `shards`).

        An array that is a slice has a name of its own in `arrays`, its variable's in `names`.
        """
        path = self._file()
        write_arrays(path, arrays, dtypes)
        self.ask(
            "write_bundle",
            prefix=prefix,
            tensors=path,
            names=names,
            shape_and_slices=shape_and_slices,
            shards=shards,
        )

    def write_v1(
        self,
        filename: PathArgument,
        arrays: Mapping[str, Any],
        *,
        dtypes: Mapping[str, str] | None = None,
        names: Mapping[str, str] | None = None,
        shape_and_slices: Mapping[str, str] | None = None,
    ) -> None:
        """Write one V1 checkpoint file by SaveSlices; names and slices as in `write_bundle`."""
        path = self._file()
        write_arrays(path, arrays, dtypes)
        self.ask(
            "write_v1",
            filename=filename,
            tensors=path,
            names=names,
            shape_and_slices=shape_and_slices,
        )

    def describe_meta_graph(self, path: PathArgument) -> dict[str, Any]:
        """Node counts, signatures, collections ... of a `.meta`, binary or text."""
        answer: dict[str, Any] = self.ask("describe_meta_graph", path=path)
        return answer

    def describe_saved_model(self, path: PathArgument) -> list[dict[str, Any]]:
        """The same of each meta graph in a `saved_model.pb` or `.pbtxt`."""
        answer: list[dict[str, Any]] = self.ask("describe_saved_model", path=path)
        return answer

    def describe_graph_def(self, path: PathArgument) -> dict[str, Any]:
        """Node counts of a GraphDef, binary or text."""
        answer: dict[str, Any] = self.ask("describe_graph_def", path=path)
        return answer

    def tensors_of_meta_graph(self, path: PathArgument) -> dict[str, dict[str, Any]]:
        """Dtype and shape (None: unknown rank or size) of each tensor, by shape inference."""
        answer: dict[str, dict[str, Any]] = self.ask("tensors_of_meta_graph", path=path)
        return answer

    def import_graph_def(self, path: PathArgument) -> int:
        """The number of nodes after TensorFlow imported the GraphDef."""
        answer: int = self.ask("import_graph_def", path=path)
        return answer

    def run_graph_def(
        self, path: PathArgument, feeds: Mapping[str, Any], fetches: Sequence[str]
    ) -> dict[str, Array]:
        """Run a frozen GraphDef: values by the tensor name fetched."""
        return self._receive(
            "run_graph_def",
            path=path,
            fetches={name: name for name in fetches},
            feeds=self._send(feeds),
        )

    def parse_proto(
        self, kind: str, *, path: PathArgument | None = None, content: bytes | None = None
    ) -> dict[str, Any]:
        """Canonical sha256, size and text form of a message ("MetaGraphDef", "SavedModel" ...)."""
        answer: dict[str, Any] = self.ask(
            "parse_proto", kind=kind, path=path, hex=None if content is None else content.hex()
        )
        return answer

    def same_message(self, kind: str, path_a: PathArgument, path_b: PathArgument) -> bool:
        """Whether two files, binary or text, hold equal messages of that kind."""
        answer: bool = self.ask("same_message", kind=kind, path_a=path_a, path_b=path_b)
        return answer

    def convert_proto(
        self, kind: str, path: PathArgument, destination: PathArgument, *, text: bool
    ) -> None:
        """Write the message of a file to another, in text or binary form."""
        self.ask("convert_proto", kind=kind, path=path, destination=destination, text=text)

    def descriptors(self) -> dict[str, dict[str, Any]]:
        """`messages` and `enums` by full name: fields with name, number, type, label, message."""
        answer: dict[str, dict[str, Any]] = self.ask("descriptors")
        return answer

    # ------------------------------------------------------------ TensorFlow's own programs

    def saved_model_cli(
        self, arguments: Sequence[PathArgument]
    ) -> subprocess.CompletedProcess[str]:
        """Run TensorFlow's saved_model_cli; its exit code and both streams."""
        return self._run_module("tensorflow.python.tools.saved_model_cli", arguments)

    def inspect_checkpoint(
        self, arguments: Sequence[PathArgument]
    ) -> subprocess.CompletedProcess[str]:
        """Run TensorFlow's inspect_checkpoint (`--file_name=...`)."""
        return self._run_module("tensorflow.python.tools.inspect_checkpoint", arguments)

    def _run_module(
        self, module: str, arguments: Sequence[PathArgument]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, "-m", module, *(os.fspath(argument) for argument in arguments)],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=self.timeout,
            check=False,
        )


def environment() -> dict[str, str]:
    """The environment for a TensorFlow process: quiet, without GPUs, without our own packages."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {
        **inherited,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
    }
