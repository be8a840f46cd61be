"""Starts one run after the other, times it, and tells the memory it had at most.

A process of its own, run with `-I -S`, because Linux counts the memory of whoever starts a process
towards that process's peak (exec_mmap in fs/exec.c keeps the old size): started by a large one, a
small one would look large. What this one needs, some 9 MiB, is the least that can be told.

Reads requests from standard input, writes answers to standard output, both by `marshal`, which is
built in: (steps, environment, folder, output, errors, remove). `steps` are argument lists, run one
after the other, all inside the time; `remove` is removed before, outside of it, and what other runs
left to be written goes to the disk then. An answer: (seconds, seconds of the processor, peak bytes,
exit code of the last step). A step that fails ends the run.
"""

import marshal
import os
import sys
import time

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def _remove(path: str) -> None:
    """A file or a folder; `shutil` would make this process larger."""
    if os.path.isdir(path) and not os.path.islink(path):
        for name in os.listdir(path):
            _remove(os.path.join(path, name))
        os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _run(
    steps: list[list[str]], environment: dict[str, str], output: str, errors: str
) -> tuple[float, float, int, int]:
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, output, _FLAGS, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, errors, _FLAGS, 0o600),
    ]
    peak = code = 0
    processor = 0.0
    start = time.perf_counter()
    for step in steps:
        process = os.posix_spawnp(step[0], step, environment, file_actions=files)
        _, status, usage = os.wait4(process, 0)
        code = os.waitstatus_to_exitcode(status)
        peak = max(peak, usage.ru_maxrss * 1024)
        processor += usage.ru_utime + usage.ru_stime
        if code:
            break
    return time.perf_counter() - start, processor, peak, code


def main() -> None:
    while True:
        try:
            request = marshal.load(sys.stdin.buffer)
        except EOFError:
            return
        steps, environment, folder, output, errors, remove = request
        os.chdir(folder)
        for path in remove:
            _remove(path)
        if remove:
            os.sync()
        answer: object
        try:
            answer = _run(steps, environment, output, errors)
        except OSError as error:
            answer = str(error)
        marshal.dump(answer, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
