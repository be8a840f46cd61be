"""Where it was measured: what the ratios depend on."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from benchmarks.peers import Peers

_PACKAGES = ("numpy", "fastcrc", "protobuf", "typer", "tabulate")


def describe(folder: str, peers: Peers) -> Mapping[str, str]:
    """In the order in which it is shown. `folder` is where the data is."""
    import tfartifacts

    return {
        "processor": f"{os.cpu_count()} x {_processor()}",
        "memory": f"{_memory() / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "file system": file_system(folder),
        "Python": platform.python_version(),
        "tfartifacts": f"{metadata.version('tfartifacts')}{_commit(Path(tfartifacts.__file__))}",
        **{name: _version(name) for name in _PACKAGES},
        **peers.versions(),
        "cp, cat, sha256sum": _coreutils(),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _coreutils() -> str:
    try:
        said = subprocess.run(["cp", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.splitlines()[0].removeprefix("cp ").strip("()").replace(") ", " ")


def _processor() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def file_system(folder: str) -> str:
    """The type of the file system that a folder is on, as Linux calls it."""
    best, kind = "", "unknown"
    path = os.path.realpath(folder)
    for line in _lines("/proc/self/mounts"):
        _, mounted, found, *_ = line.split()
        place = mounted.encode().decode("unicode_escape")
        if os.path.commonpath([place, path]) == place and len(place) >= len(best):
            best, kind = place, found
    return kind


def _commit(module: Path) -> str:
    """` (commit 0123abc)`, where the package is in a Git repository; with + where changed."""
    git = ["git", "-C", str(module.parent)]
    try:
        head, changes = (
            subprocess.run([*git, *command], capture_output=True, text=True, check=True).stdout
            for command in (
                ["rev-parse", "--short", "HEAD"],
                ["status", "--porcelain", "--untracked-files=no", "--", "."],
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f" (commit {head.strip()}{'+' if changes.strip() else ''})"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
