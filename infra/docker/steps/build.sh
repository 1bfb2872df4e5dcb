#!/bin/sh
# Bundles the program into dist/. Run in the folder of the sources.
set -eu
node --input-type=module -e "await (await import('./bundle.mjs')).bundleProgram('dist')"
