#!/usr/bin/env bash
# Prints the path of infra/docker/check, and builds it into the cache where it is not built yet (a minute, once; needs
# Go). With --built it builds nothing. Ends with 3 where the program cannot be had here: no Go, or no modules.
set -uo pipefail

source="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/check"
key="$(cat "$source/main.go" "$source/go.mod" "$source/go.sum" | git hash-object --stdin)" || exit 1
cache="${XDG_CACHE_HOME:-$HOME/.cache}/espalier/dockerfile-check"
program="$cache/$key/check"

found() {
  printf '%s\n' "$program"
  exit 0
}

[ -x "$program" ] && found
if [ "${1:-}" = --built ]; then
  echo 'infra/docker/check is not built; "infra/docker/install-check.sh" builds it in a minute, where there is Go' >&2
  exit 3
fi
command -v go >/dev/null || {
  echo 'infra/docker/check needs Go' >&2
  exit 3
}
cd "$source" || exit 1
# Modules that can be written can be removed with the cache.
export GOFLAGS="${GOFLAGS:-} -modcacherw" CGO_ENABLED=0
go mod download >&2 || {
  echo 'the modules of infra/docker/check cannot be had' >&2
  exit 3
}
mkdir -p "$cache/$key" || exit 1
# Whoever looks meanwhile finds a whole program, or none.
built="$(mktemp "$cache/$key/building-XXXXXX")" || exit 1
trap 'rm -f "$built"' EXIT
nice go build -o "$built" . >&2 && chmod 755 "$built" && mv "$built" "$program" && found
exit 1
