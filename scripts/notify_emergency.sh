#!/usr/bin/env bash
# Call people through PagerDuty; without a summary, the one of the guide.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/find_iit.sh"
for argument in "$@"; do
  if [[ $argument != --dry-run ]]; then
    run_iit page "$@"
  fi
done
run_iit page "IIT ML Service Critical Failure" "$@"
