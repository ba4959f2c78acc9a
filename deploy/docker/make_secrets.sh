#!/usr/bin/env bash
# Make the secrets that docker-compose.yml mounts, where they do not exist yet. Keep a copy of secret_key: without it API
# keys have to be made anew, and the audit trail can no longer be verified.
set -euo pipefail
folder=${1:-"$(dirname "${BASH_SOURCE[0]}")/secrets"}
mkdir -p "$folder"
chmod 0700 "$folder" # keeps others on this machine out; in the containers only the files themselves are seen
make_one() {
  [[ -s $folder/$1 ]] && return
  printf '%s' "$2" >"$folder/$1"
  chmod 0444 "$folder/$1"
  printf 'made %s\n' "$folder/$1"
}
random() { openssl rand -hex "$1"; }
make_one secret_key "$(random 32)"
make_one postgres_password "$(random 24)"
make_one owner_password "$(random 24)"
make_one app_password "$(random 24)"
make_one grafana_password "$(random 12)"
make_one pagerduty_routing_key "${PAGERDUTY_ROUTING_KEY:-none}" # of your service there; with none nobody is called
make_one database_url "postgresql+psycopg://ml_service:$(cat "$folder/app_password")@postgres:5432/iit_ml_service"
make_one database_owner_url "postgresql+psycopg://iit_owner:$(cat "$folder/owner_password")@postgres:5432/iit_ml_service"
