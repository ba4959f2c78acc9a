# shellcheck shell=bash
# Sourced by the scripts beside it: sets `iit` to the command of $IIT, of the environment beside, or of PATH.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ -n ${IIT:-} ]]; then
  iit=$IIT
  unset IIT # the command itself refuses settings that it does not know
elif [[ -x $here/../.venv/bin/iit ]]; then
  iit=$here/../.venv/bin/iit
elif ! iit=$(command -v iit); then
  echo "iit is neither in .venv/bin nor on PATH: run make setup, or set IIT" >&2
  exit 14
fi
