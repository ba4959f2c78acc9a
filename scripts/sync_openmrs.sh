#!/usr/bin/env bash
# Take in what changed in OpenMRS since the last time; ends with 13 while another one runs.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/find_iit.sh"
run_iit sync "$@"
