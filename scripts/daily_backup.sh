#!/usr/bin/env bash
# A full backup of the server and a dump, both sealed; the first that fails ends it with its exit code.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/find_iit.sh"
(run_iit backup run --kind full "$@")
(run_iit backup run --kind logical "$@")
