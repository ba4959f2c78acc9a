#!/usr/bin/env bash
# Cut this machine off the network, IPv4 and IPv6 alike, and undo it. No rule of anyone else is removed: one chain of
# ours is put before them. The machine itself (loopback) goes on, so that evidence can be looked at.
set -euo pipefail

usage() {
  cat <<'HELP'
Usage: isolate.sh [--keep-ssh ADDRESS]... [--dry-run] [--yes] | --undo [--dry-run]
  --keep-ssh ADDRESS  keep SSH (port 22) from and to this address or network, IPv4 or IPv6
  --dry-run           print the commands, change nothing
  --yes               do it without asking
  --undo              connect the machine again
HELP
}

chain=IIT_ISOLATE
keep=() dry=0 sure=0 undo=0
while (($#)); do
  case $1 in
    --keep-ssh)
      [[ ${2:-} =~ ^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$ ]] || { echo "--keep-ssh needs an address or a network" >&2; exit 10; }
      keep+=("$2")
      shift
      ;;
    --dry-run) dry=1 ;;
    --yes) sure=1 ;;
    --undo) undo=1 ;;
    --help | -h)
      usage
      exit 0
      ;;
    *)
      usage >&2
      exit 10
      ;;
  esac
  shift
done

run() {
  if ((dry)); then printf '%s\n' "$*"; else "$@"; fi
}

remove() { # what is not there need not be removed
  local tables=$1 hook
  for hook in INPUT OUTPUT FORWARD; do
    if ((dry)); then
      run "$tables" -w -D "$hook" -j "$chain"
    else
      while "$tables" -w -D "$hook" -j "$chain" 2>/dev/null; do :; done
    fi
  done
  if ((dry)) || "$tables" -w -n -L "$chain" >/dev/null 2>&1; then
    run "$tables" -w -F "$chain"
    run "$tables" -w -X "$chain"
  fi
}

isolate() {
  local tables=$1 hook address
  run "$tables" -w -N "$chain"
  run "$tables" -w -A "$chain" -i lo -j ACCEPT
  run "$tables" -w -A "$chain" -o lo -j ACCEPT
  for address in "${keep[@]}"; do
    if [[ $address == *:* ]]; then [[ $tables == ip6tables ]] || continue; else [[ $tables == iptables ]] || continue; fi
    run "$tables" -w -A "$chain" -p tcp -s "$address" --dport 22 -j ACCEPT
    run "$tables" -w -A "$chain" -p tcp -d "$address" --sport 22 -j ACCEPT
  done
  run "$tables" -w -A "$chain" -j DROP
  for hook in INPUT OUTPUT FORWARD; do run "$tables" -w -I "$hook" 1 -j "$chain"; done
}

if ! ((dry)); then
  ((EUID == 0)) || { echo "only root can do this" >&2; exit 12; }
  for tables in iptables ip6tables; do
    command -v "$tables" >/dev/null || { echo "$tables is missing: the machine would stay half open" >&2; exit 14; }
  done
  if ! ((undo || sure)); then
    [[ -t 0 ]] || { echo "give --yes to cut this machine off" >&2; exit 10; }
    ((${#keep[@]})) || echo "No --keep-ssh: an SSH session from elsewhere ends here." >&2
    read -r -p "Cut this machine off the network? [y/N] " answer
    [[ $answer == [yY] ]] || exit 10
  fi
fi
for tables in iptables ip6tables; do
  if ((undo)) || ! ((dry)); then remove "$tables"; fi
  ((undo)) || isolate "$tables"
done
