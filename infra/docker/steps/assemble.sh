#!/bin/sh
# Puts together what runs: assemble.sh FOLDER. Bundles, encoders, heads, and the packages that the bundles leave
# outside, with their libraries for this machine alone. Run in the folder of the sources, after build.sh.
set -eu
app="$1"
mkdir -p "$app/infra"
cp package.json package-lock.json .npmrc LICENSE NOTICE "$app"
cp -R dist "$app"
cp -R infra/models infra/heads infra/calibration "$app/infra"
cp infra/docker/healthcheck.mjs "$app"
(cd "$app" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund)
node infra/docker/steps/prune.mjs "$app"
node infra/package/carry-runtime.mjs "$app"
rm "$app/package-lock.json" "$app/.npmrc"
# For whatever user a platform runs it as.
chmod -R a+rX "$app"
