#!/usr/bin/env bash
# Bring the database back to a moment: --point-in-time "2024-01-01 14:30:00"; see --help for the others.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/find_iit.sh"
run_iit restore "$@"
