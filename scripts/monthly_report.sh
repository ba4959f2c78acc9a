#!/usr/bin/env bash
# Last month's report of performance and quality.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/find_iit.sh"
run_iit maintenance monthly "$@"
