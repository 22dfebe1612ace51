#!/bin/sh
# Entry point of a container on a confidential VM: gets the key, then becomes the program. Run the container with
# --device /dev/tpmrm0 --tmpfs /run:mode=0700 and without a proxy for 169.254.169.254.
set -eu
exec cvm-attest run \
  --secret "STORE_KEY=${STORE_KEY_ID:?the key of the vault: https://VAULT/keys/NAME}" \
  --attestation-url "${ATTESTATION_URL:?the attestation service}" \
  --deliver file \
  -- "$@"
