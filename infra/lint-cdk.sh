#!/bin/sh
# Checks the templates of every deployment that the tests of the CDK synthesise, with cfn-lint. `npm run lint:cdk`
set -eu
if ! command -v cfn-lint > /dev/null; then
  echo 'skipped: cfn-lint is not installed; "pip install cfn-lint" does that, 1.58 or newer, which knows the GPU L4' >&2
  exit 0
fi
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ESPALIER_CDK_TEMPLATES="$folder" npx vitest run --config vitest.cdk.config.ts
echo "$(ls "$folder" | wc -l) templates"
# W3005: the CDK writes dependencies that references imply as well.
cfn-lint --ignore-checks W3005 --non-zero-exit-code error --template "$folder"/*.json
