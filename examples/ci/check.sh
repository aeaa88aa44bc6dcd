#!/bin/sh
# Parity and size of a model in continuous integration: sh ci/check.sh MODEL_DIRECTORY
# Beside this script: limits.toml, and baseline.json once there is one. Writes verify.json, sizes.json and summary.md.
# Ends with 3 when an output differs by one bit, with 4 when a size is past its limit, with rescomp's other exit codes otherwise.
set -eu
model=$1
here=$(dirname "$0")

# A mismatch is told by `check` below, with the summary; anything else ends the job here.
status=0
rescomp verify "$model" --against "${WITNESSES:-onnxruntime,tflite,c}" --json >verify.json || status=$?
[ "$status" = 0 ] || [ "$status" = 3 ] || exit "$status"

set --
[ ! -f "$here/baseline.json" ] || set -- --baseline "$here/baseline.json"
rescomp check "$model" --limits "$here/limits.toml" "$@" --markdown summary.md --json >sizes.json
