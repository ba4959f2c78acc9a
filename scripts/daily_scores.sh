#!/usr/bin/env bash
# What became of past predictions, a score for every patient, and whether the world has changed.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/find_iit.sh"
(run_iit outcomes resolve)
(run_iit score "$@")
(run_iit drift)
