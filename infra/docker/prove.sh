#!/usr/bin/env bash
# `npm run prove:image`: takes the steps of the Dockerfile in an empty folder, without docker: copies the context,
# installs, bundles, assembles, exports, then starts the server as another user on a read-only file system, calls it
# and stops it. Ends with 1 where something does not work, or where the content is larger than it may be.
set -euo pipefail

max_bytes=250000000
root="$(cd "$(dirname "$0")/../.." && pwd)"
# Not in /tmp, which the server finds empty.
work="$(mktemp -d "${PROVE_FOLDER:-/var/tmp}/espalier-image-XXXXXX")"
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

step() {
  local began=$SECONDS
  printf '\n== %s\n' "$*"
  "$@"
  printf '   %s s\n' "$((SECONDS - began))"
}

echo "Node $(node --version), $(uname -sm)"
step node "$root/infra/docker/copy-context.mjs" "$root" "$work/src"
cd "$work/src"
step infra/docker/steps/install.sh
step infra/docker/steps/build.sh
step infra/docker/steps/assemble.sh "$work/app"
step infra/docker/steps/export.sh "$work/app" int8

printf '\n== content of /app, MB\n'
cd "$work/app"
{
  du -sb -- dist prepared native infra/* node_modules/* | awk '{ printf "%8.1f  %s\n", $1 / 1e6, $2 }' | sort -rn
} | head -n 14
bytes="$(du -sb . | cut -f1)"
awk -v b="$bytes" -v m="$max_bytes" 'BEGIN { printf "%8.1f  in all, of %.0f allowed\n", b / 1e6, m / 1e6 }'
[ "$bytes" -le "$max_bytes" ] || {
  echo "not proved: /app has $bytes bytes, $max_bytes are allowed" >&2
  exit 1
}

printf '\n== start, call, stop\n'
node "$work/src/infra/docker/prove-start.mjs" "$work/app"

cd "$work/src"
step infra/docker/steps/export.sh "$work/app" float16
printf '\nproved: the steps of target cpu, and of target gpu but for its CUDA libraries\n'
