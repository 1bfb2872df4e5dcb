#!/bin/sh
# Installs everything that a build needs, without the downloads of install scripts: what is native comes with the
# packages. Run in the folder of the sources.
set -eu
npm ci --ignore-scripts --no-audit --no-fund
