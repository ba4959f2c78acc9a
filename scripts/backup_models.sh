#!/usr/bin/env bash
# Back up the folder of models, sealed, to the backup target.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/find_iit.sh"
run_iit backup run --kind models "$@"
