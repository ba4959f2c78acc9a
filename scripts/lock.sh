#!/usr/bin/env bash
# Write the locked requirements for serving, training, development and benchmarks; all agree on versions.
set -euo pipefail
uv=${1:?usage: lock.sh PATH_OF_UV}
compile=("$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml)
"${compile[@]}" --upgrade --extra dev -o requirements-dev.txt
"${compile[@]}" --extra train -c requirements-dev.txt -o requirements-train.txt
"${compile[@]}" -c requirements-dev.txt -o requirements.txt
"${compile[@]}" --extra train --extra bench -c requirements-dev.txt -o requirements-bench.txt
