"""The examples of README and docs, run: `python -m tests.readme` writes their output again.

A block behind `<!-- run -->` is run in a folder with a copy of `fixtures/`: of a console block the
line after `$`, the output following it; of a Python block all, its output in a text block behind.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
README = PROJECT / "README.md"
# Pages with examples; those of each run one after the other, in a folder of its own.
PAGES = (
    README,
    *(PROJECT / "docs" / f"{name}.md" for name in ("converting", "verifying", "weights")),
)
TIME = 1_767_323_045  # 2026-01-02 03:04:05 UTC, in place of when files were written

_BLOCK = re.compile(
    r"(?P<mark><!-- run -->\n)```(?P<kind>console|python)\n(?P<body>.*?)```\n"
    r"(?P<output>\n```text\n.*?```\n)?",
    re.DOTALL,
)


def rendered(text: str, folder: Path) -> str:
    """The text with the output of its examples as they are now; they run in `folder`."""
    shutil.copytree(PROJECT / "fixtures", folder / "fixtures")
    return _BLOCK.sub(lambda match: _run_block(match, folder), text)


def _run_block(match: re.Match[str], folder: Path) -> str:
    for path in folder.rglob("*"):
        os.utime(path, (TIME, TIME))
    body = match["body"]
    if match["kind"] == "python":
        output = _run([sys.executable, "-c", body], folder)
        return f"{match['mark']}```python\n{body}```\n\n```text\n{output}```\n"
    command = body.splitlines()[0].removeprefix("$ ")
    output = _run(["sh", "-c", command], folder)
    return f"{match['mark']}```console\n$ {command}\n{output}```\n"


def _run(command: list[str], folder: Path) -> str:
    """Both streams together, as a terminal shows them."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    completed = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return completed.stdout


def main() -> None:
    for page in PAGES:
        with tempfile.TemporaryDirectory() as folder:
            page.write_text(rendered(page.read_text("utf-8"), Path(folder)), "utf-8")


if __name__ == "__main__":
    main()
