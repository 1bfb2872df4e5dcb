#!/bin/sh
# Installs everything that a build needs, without the downloads of install scripts: what is native comes with the
# packages. Run in the folder of the sources.
set -eu
# A base by the digest of another processor is only warned of, and runs where there is emulation.
if [ -n "${TARGETARCH:-}" ]; then
  node -e '
    const { arch } = process
    const [, wanted] = process.argv
    if ((arch === "x64" ? "amd64" : arch) === wanted) process.exit()
    console.error(`the build is for ${wanted} and NODE_IMAGE for ${arch}: name the digests of one processor`)
    process.exit(1)
  ' "$TARGETARCH"
fi
npm ci --ignore-scripts --no-audit --no-fund
