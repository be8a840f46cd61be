#!/bin/sh
# Convert the checkpoint of fixtures/digits to a SavedModel and look at both:
#
#     sh examples/quickstart.sh
#
# Makes its own environment in .venv (or in $TFARTIFACTS_VENV). TensorFlow is not needed.
set -eu

cd "$(dirname "$0")/.."
. examples/environment.sh
use_environment "${TFARTIFACTS_VENV:-.venv}" .

export_folder=$(mktemp -d)/export

tfartifacts() {
    echo
    echo "\$ tfartifacts $*"
    "$python" -m tfartifacts "$@"
}

tfartifacts inspect fixtures/digits/checkpoints
tfartifacts convert fixtures/digits/checkpoints "$export_folder" \
    --inputs image=myInput:0 --outputs prediction=myPrediction:0
tfartifacts inspect "$export_folder"
