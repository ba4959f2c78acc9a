#!/usr/bin/env bash
# What is done every day; cron mails what it says.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/find_iit.sh"
run_iit maintenance daily "$@"
