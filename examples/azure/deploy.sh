#!/usr/bin/env bash
# Deploys a confidential VM with its attestation provider, identity and key vault:
#
#   examples/azure/deploy.sh                              Ubuntu 24.04 of the marketplace
#   IMAGE_ID=/subscriptions/… examples/azure/deploy.sh    an image of your own (a gallery image version of type ConfidentialVM)
#
# RESOURCE_GROUP (cvm-demo), LOCATION (westeurope) and SSH_KEY (~/.ssh/id_ed25519.pub, else id_rsa.pub) may be set.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
group=${RESOURCE_GROUP:-cvm-demo}
location=${LOCATION:-westeurope}

die() { printf '%s\n' "$*" >&2; exit 2; }
case "${1:-}" in
  '') ;;
  -h | --help) sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
  *) die "unknown argument: $1 (settings are environment variables: --help)" ;;
esac

key=${SSH_KEY:-}
if [ -z "$key" ]; then
  for candidate in "$HOME/.ssh/id_ed25519.pub" "$HOME/.ssh/id_rsa.pub"; do
    if [ -f "$candidate" ]; then key=$candidate; break; fi
  done
fi
[ -n "$key" ] && [ -f "$key" ] || die "no SSH public key: make one with 'ssh-keygen -t ed25519', or set SSH_KEY"
case $(head -c 4 "$key") in ssh- | ecds) ;; *) die "$key is not an SSH public key: it must begin with ssh- or ecdsa-" ;; esac
if [ -n "${IMAGE_ID:-}" ]; then
  case $IMAGE_ID in /subscriptions/*) ;; *) die "IMAGE_ID must be a resource id, beginning with /subscriptions/" ;; esac
fi
command -v az >/dev/null || die "the Azure CLI (az) is not installed"
az account show --output none 2>/dev/null || die "not signed in: run 'az login'"

az group create --name "$group" --location "$location" --output none
az deployment group create --resource-group "$group" --template-file "$here/main.bicep" \
  --parameters sshPublicKey="$(cat "$key")" imageId="${IMAGE_ID:-}" \
  --query '{ssh: properties.outputs.ssh.value, attestationUrl: properties.outputs.attestationUrl.value, keyVaultUrl: properties.outputs.keyVaultUrl.value}' \
  --output yaml
