#!/usr/bin/env bash
# Check that what is stored is whole and agrees with itself; fails on any finding.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/find_iit.sh"
run_iit integrity check "$@"
