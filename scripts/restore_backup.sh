#!/usr/bin/env bash
# Restore a day's backup in isolation: --namespace dr-test --backup-date 2024-01-01; --remove clears it away.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/find_iit.sh"
run_iit restore "$@"
