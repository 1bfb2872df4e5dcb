#!/bin/sh
# Fetches ONNX Runtime's CUDA provider: fetch-cuda.sh FOLDER. Its own script does it, told to by `true`: other values
# are ignored. Run in the folder of the sources, after install.sh. The provider of TensorRT, which would plan for minutes
# at every start, stays out.
set -eu
folder="$(node -p "require.resolve('onnxruntime-node/package.json').replace(/package\.json$/, '')")"
ONNXRUNTIME_NODE_INSTALL=true node "$folder/script/install.js"
for provider in shared cuda; do
  cp "$folder/bin/napi-v6/linux/x64/libonnxruntime_providers_$provider.so" "$1/native/linux/x64"
done
