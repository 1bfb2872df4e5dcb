#!/bin/sh
# Exports the built-in encoder: export.sh FOLDER PRECISION. Into FOLDER/prepared, where a server finds it and its cache
# need not be written; the run that follows proves it on its golden texts.
set -eu
app="$1"
echo 'The encoder is exported while the image is built.' |
  ESPALIER_CACHE="$app/prepared" ESPALIER_REGISTRY=memory: ESPALIER_PRECISION="$2" \
    node "$app/dist/cli.js" embed - --format txt --quiet >/dev/null
test -n "$(find "$app/prepared/encoders" -name encoder.json)"
chmod -R a+rX "$app/prepared"
