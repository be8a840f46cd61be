#!/bin/sh
# Everything a change must pass: lint, format, types, tests.
#
#     sh tests/run.sh [argument of pytest ...]
#
# Makes its own environment in .venv (or in $TFARTIFACTS_VENV). Tests that TensorFlow judges are
# skipped where `python tests/judges/install.py` has not been run.
set -eu

cd "$(dirname "$0")/.."
. examples/environment.sh
use_environment "${TFARTIFACTS_VENV:-.venv}" -e '.[test]'

"$python" -m ruff check .
"$python" -m ruff format --check .
if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    "$python" -m mypy
else
    echo "types are not checked: the NumPy they are checked against (2.3 or 2.4) needs Python 3.11"
fi
# Two workers: each keeps both TensorFlows in memory, and their start is what takes long.
"$python" -m pytest --numprocesses "${TFARTIFACTS_WORKERS:-2}" "$@"
