#!/usr/bin/env bash
# Prints the build arguments of a target with the digests that its base images have now: resolve-digests.sh cpu|gpu.
# Asks with docker, crane or skopeo, whichever is there. Keep what it prints with what was built.
set -euo pipefail

node=docker.io/library/node:24-bookworm-slim
adapter=public.ecr.aws/awsguru/aws-lambda-adapter:1.1.0
cuda=docker.io/nvidia/cuda:13.1.1-cudnn-runtime-ubuntu24.04

digest_of() {
  if command -v crane >/dev/null; then
    crane digest "$1"
  elif command -v skopeo >/dev/null; then
    skopeo inspect --raw "docker://$1" | sha256sum | sed 's/^\([0-9a-f]*\).*/sha256:\1/'
  elif command -v docker >/dev/null; then
    docker buildx imagetools inspect "$1" --format '{{.Manifest.Digest}}'
  else
    echo 'resolve-digests.sh needs docker, crane or skopeo' >&2
    return 3
  fi
}

argument() {
  local digest
  digest="$(digest_of "$2")"
  [[ "$digest" =~ ^sha256:[0-9a-f]{64}$ ]] || {
    echo "no digest for $2: $digest" >&2
    return 1
  }
  printf -- '--build-arg %s=%s@%s\n' "$1" "$2" "$digest"
}

case "${1:-}" in
  cpu) argument NODE_IMAGE "$node" && argument ADAPTER_IMAGE "$adapter" ;;
  gpu) argument NODE_IMAGE "$node" && argument CUDA_IMAGE "$cuda" ;;
  *)
    echo 'usage: resolve-digests.sh cpu|gpu' >&2
    exit 2
    ;;
esac
