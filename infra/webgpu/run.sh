#!/usr/bin/env bash
# `npm run webgpu`: runs the test of the GPU path on SwiftShader, a Vulkan driver in software. Debian's chromium-common
# package carries it; Mesa's llvmpipe before version 23 is refused by Dawn, for want of
# shaderSampledImageArrayDynamicIndexing. SwiftShader has no half precision, so that the float32 graph runs.
set -euo pipefail

cd "$(dirname "$0")/../.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/espalier/swiftshader"
driver="$cache/usr/lib/chromium/vk_swiftshader_icd.json"

if [ ! -f "$driver" ]; then
  command -v apt-get >/dev/null || {
    echo 'SwiftShader is taken from a Debian package, and there is no apt-get here' >&2
    exit 3
  }
  work="$(mktemp -d)"
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && apt-get -qq download chromium-common libvulkan1)
  mkdir -p "$cache"
  dpkg --fsys-tarfile "$work"/libvulkan1_*.deb | tar -x -C "$cache" --wildcards './usr/lib/*/libvulkan.so*'
  dpkg --fsys-tarfile "$work"/chromium-common_*.deb | tar -x -C "$cache" --wildcards './usr/lib/chromium/*vk_swiftshader*'
fi

libraries="$(dirname "$(find "$cache" -name 'libvulkan.so.1' | head -n 1)")"
npm run --silent build
VK_DRIVER_FILES="$driver" VK_ICD_FILENAMES="$driver" ESPALIER_TEST_GPU=1 \
  LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
  npx vitest run test/integration/webgpu.test.ts "$@"
