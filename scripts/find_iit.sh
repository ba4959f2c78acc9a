# shellcheck shell=bash
# Sourced by the scripts beside it: `run_iit` becomes the command of $IIT, of the environment beside, or of PATH.
run_iit() {
  local here
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  if [[ -n ${IIT:-} ]]; then
    exec "$IIT" "$@"
  elif [[ -x $here/../.venv/bin/iit ]]; then
    exec "$here/../.venv/bin/iit" "$@"
  elif command -v iit >/dev/null; then
    exec iit "$@"
  fi
  echo "iit is neither in .venv/bin nor on PATH: run make setup, or set IIT" >&2
  exit 14
}
