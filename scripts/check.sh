#!/usr/bin/env bash
# Run every check, however many fail, and end with their number.
set -uo pipefail
bin=.venv/bin
failed=0
check() {
  local name=$1
  shift
  if output=$("$@" 2>&1); then
    printf 'ok      %s\n' "$name"
  else
    printf 'FAILED  %s\n%s\n' "$name" "$output"
    failed=$((failed + 1))
  fi
}
mapfile -t shell_scripts < <(git ls-files '*.sh' .ci/run)
check format "$bin/ruff" format --check src tests scripts benchmarks
check lint "$bin/ruff" check src tests scripts benchmarks
check types "$bin/mypy"
check architecture "$bin/lint-imports" --no-cache
check documents "$bin/python" scripts/write_reference.py --check
check dashboards "$bin/python" scripts/write_dashboards.py --check
check shell "$bin/shellcheck" "${shell_scripts[@]}"
printf '%s checks failed\n' "$failed"
exit "$((failed > 0))"
