#!/usr/bin/env bash
# Creates the Python environments of the other libraries, unless they exist: DIR/torch, DIR/jax, DIR/tensorflow.
# usage: benches/peers/setup.sh [DIR] [torch|jax|tensorflow ...]   (default: ~/.cache/peers, all three; about 7 GB)
set -euo pipefail
dir=${1:-$HOME/.cache/peers}; shift || true
declare -A packages=([torch]="torch numpy" [jax]="jax optax" [tensorflow]="tensorflow-cpu")
for name in "${@:-torch jax tensorflow}"; do for env in $name; do
  [ -e "$dir/$env/ready" ] && continue
  python3 -m venv "$dir/$env"
  "$dir/$env/bin/pip" install -q ${packages[$env]}
  touch "$dir/$env/ready"
done; done
echo "ready in $dir"
