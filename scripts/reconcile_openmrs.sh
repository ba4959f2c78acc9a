#!/usr/bin/env bash
# Read everything in OpenMRS again and compare its patients with ours; ends with 13 where they differ.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/find_iit.sh"
(run_iit sync --full)
run_iit reconcile "$@"
