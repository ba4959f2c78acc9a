#!/usr/bin/env bash
# Restore the newest backup beside what runs, check and time it, remove it; fails on any difference.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/find_iit.sh"
run_iit restore --rehearse "$@"
