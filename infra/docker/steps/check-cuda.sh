#!/bin/sh
# Fails where a library of the CUDA provider is missing: check-cuda.sh FOLDER. libcuda.so.1 is the driver's, which the
# host brings. ONNX Runtime 1.30 is made for CUDA 13, whatever its own pages say.
set -eu
provider="$1/native/linux/x64/libonnxruntime_providers_cuda.so"
linked="$(LD_LIBRARY_PATH="$(dirname "$provider"):${LD_LIBRARY_PATH:-}" ldd "$provider")"
echo "$linked"
if echo "$linked" | grep -v 'libcuda\.so\.1' | grep 'not found'; then
  echo 'the CUDA provider needs the libraries above: take a base image that has them' >&2
  exit 1
fi
echo "$linked" | grep -q 'libcudart\.so\.13' || {
  echo 'the CUDA provider is not made for CUDA 13: change the base image with it' >&2
  exit 1
}
