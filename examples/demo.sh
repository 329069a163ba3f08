#!/usr/bin/env bash
# The story from <pending> to an address, on whatever cluster KUBECONFIG names.
set -euo pipefail
cd "$(dirname "$0")"
kubectl apply -f test-svc-1.yaml
kubectl get svc test-svc-1
lbctl assign default/test-svc-1 --pools pools/simple.yaml
kubectl get svc test-svc-1
lbctl claims list
