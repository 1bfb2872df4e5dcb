#!/usr/bin/env bash
# Prints the build arguments of a target with the digests that its base images have now. Keep what it prints with what
# was built. Asks with crane, skopeo or docker, whichever is there.
set -euo pipefail

usage='usage: resolve-digests.sh cpu|gpu [x86_64|arm64]

Prints "--build-arg NAME=IMAGE@DIGEST" for each base image of the target, one a line.
Without a processor a digest is that of the whole tag: the build takes the image of its own platform from it.
With a processor it is the digest of the image for that processor alone, and it fails where there is none;
the build then needs the same: docker build --platform linux/amd64, or linux/arm64. Target gpu is x86_64 only.'

node=docker.io/library/node:24-bookworm-slim
adapter=public.ecr.aws/awsguru/aws-lambda-adapter:1.1.0
cuda=docker.io/nvidia/cuda:13.1.1-cudnn-runtime-ubuntu24.04

refuse() {
  printf '%s\n' "$@" >&2
  exit 2
}

target="${1:-}"
case "$target" in
  -h | --help)
    printf '%s\n' "$usage"
    exit 0
    ;;
  cpu | gpu) ;;
  *) refuse "$usage" ;;
esac
case "${2:-}" in
  '') platform= ;;
  x86_64 | amd64) platform=linux/amd64 ;;
  arm64) platform=linux/arm64 ;;
  *) refuse "$usage" ;;
esac
[ "$target/$platform" != gpu/linux/arm64 ] || refuse 'target gpu is for x86_64 only: there is no CUDA provider for arm64'

# The digest of the image for the platform, from the manifest of a tag on standard input.
digest_of_platform() {
  node -e '
    const text = require("node:fs").readFileSync(0)
    const [os, architecture] = process.argv[1].split("/")
    const fits = ({ platform }) => platform?.os === os && platform.architecture === architecture
    console.log(JSON.parse(text).manifests?.find(fits)?.digest ?? "its index has no such image")
  ' "$platform"
}

digest_of() {
  if command -v crane >/dev/null; then
    crane digest ${platform:+--platform "$platform"} "$1"
  elif command -v skopeo >/dev/null; then
    if [ -n "$platform" ]; then
      skopeo inspect --raw "docker://$1" | digest_of_platform
    else
      skopeo inspect --raw "docker://$1" | sha256sum | sed 's/^\([0-9a-f]*\).*/sha256:\1/'
    fi
  elif command -v docker >/dev/null; then
    if [ -n "$platform" ]; then
      docker buildx imagetools inspect --raw "$1" | digest_of_platform
    else
      docker buildx imagetools inspect "$1" --format '{{.Manifest.Digest}}'
    fi
  else
    echo 'resolve-digests.sh needs docker, crane or skopeo' >&2
    return 3
  fi
}

argument() {
  local digest
  digest="$(digest_of "$2")"
  [[ "$digest" =~ ^sha256:[0-9a-f]{64}$ ]] || {
    echo "no digest for $2${platform:+ on $platform}: $digest" >&2
    return 1
  }
  printf -- '--build-arg %s=%s@%s\n' "$1" "$2" "$digest"
}

# All or nothing: a build with half of them would fail late.
case "$target" in
  cpu) second="$(argument ADAPTER_IMAGE "$adapter")" ;;
  gpu) second="$(argument CUDA_IMAGE "$cuda")" ;;
esac
first="$(argument NODE_IMAGE "$node")"
printf '%s\n' "$first" "$second"
