#!/usr/bin/env bash
# The quarterly test of recovery: the newest backup restored in isolation, its records checked, the service started on
# them and asked how it is, and all of it removed. What is not as it should be ends with an exit code and a page.
set -euo pipefail

usage() {
  cat <<'HELP'
Usage: quarterly_dr_test.sh [--backup-date 2024-01-01] [--port 8099] [--dry-run]
  --backup-date  day of the backup; else the newest
  --port         of this machine, for the service of the test
  --dry-run      say which backup would be restored, change nothing
HELP
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
. "$here/find_iit.sh"
iit() { (run_iit "$@"); }

name=dr-test port=8099 day=() dry=0 server=
while (($#)); do
  case $1 in
    --backup-date) day=(--backup-date "${2:?}") && shift ;;
    --port) port=${2:?} && shift ;;
    --dry-run) dry=1 ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && exit 10 ;;
  esac
  shift
done

if ((dry)); then
  iit restore --namespace "$name" "${day[@]}" --dry-run
  exit
fi

# Becomes the command on the restored data. Nothing of what serves may be reached: no address of it is handed on.
apart() {
  local kept=() one
  for one in PATH HOME IIT IIT_SECRET_KEY IIT_SECRET_KEY_FILE IIT_MESSAGE_KEY IIT_MESSAGE_KEY_FILE IIT_TIME_ZONE \
    IIT_POSTGRES_BIN IIT_KERNEL_CACHE_DIR; do
    [[ -z ${!one:-} ]] || kept+=("$one=${!one}")
  done
  # Without a secret of its settings, production's lies in its own data folder: the audit trail is verified by it.
  if [[ -z ${IIT_SECRET_KEY:-}${IIT_SECRET_KEY_FILE:-} ]]; then
    kept+=("IIT_SECRET_KEY_FILE=${folder%/namespaces/*}/secret_key")
  fi
  # shellcheck disable=SC2016  # for the inner shell
  exec env -i "${kept[@]}" IIT_DATA_DIR="$folder" bash -c '. "$0"; run_iit "$@"' "$here/find_iit.sh" "$@"
}

finish() {
  local code=$?
  trap - EXIT
  if [[ -n $server ]]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  iit restore --namespace "$name" --remove || true
  if ((code)); then
    echo "the quarterly test of recovery failed" >&2
    iit page "the quarterly test of recovery failed" --severity high || true
  fi
  exit "$code"
}
trap finish EXIT

report=$(iit restore --namespace "$name" "${day[@]}" --json)
folder=$(printf '%s' "$report" | sed -n 's/^ *"data_dir": "\(.*\)",\{0,1\}$/\1/p')
[[ -d $folder ]] || { echo "the restored data folder is not told" >&2 && exit 14; }
(apart integrity check)
apart serve --port "$port" 2>/dev/null &
server=$!
for ((waited = 0; waited < 180; waited++)); do
  curl -fsS -o /dev/null "http://127.0.0.1:$port/health/ready" 2>/dev/null && break
  sleep 1
done
curl -fsS -X POST -H "X-API-Key: $(cat "$folder/local_token")" "http://127.0.0.1:$port/health/check"
echo
echo "the backup was restored, its records are whole, and the service answers on them"
