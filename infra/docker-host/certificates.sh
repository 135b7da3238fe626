#!/usr/bin/env bash
# Makes the certificates for mutual TLS between a Docker engine and its clients.
#
# usage: certificates.sh DIR [SAN ...]
#   DIR   the folder to fill
#   SAN   what clients call the engine, such as IP:192.0.2.7 or DNS:docker.example.org
#         (default: IP:127.0.0.1 DNS:localhost)
#
#   DIR/ca/      ca.pem key.pem            the authority; its key signs and is needed nowhere else
#   DIR/server/  ca.pem cert.pem key.pem   for dockerd
#   DIR/client/  ca.pem cert.pem key.pem   for clients; what DOCKER_CERT_PATH expects
#
# It can be run again at any time: what is still good for more than 7 days is left alone.
set -euo pipefail

readonly AUTHORITY_DAYS=3650
readonly LEAF_DAYS=365
readonly RENEW_BEFORE_SECONDS=$((7 * 24 * 3600))
# A leaf must not outlive its authority, so the authority is replaced while it can still cover one.
readonly AUTHORITY_RENEW_BEFORE_SECONDS=$(((LEAF_DAYS + 14) * 24 * 3600))

say() { printf '==> %s\n' "$*" >&2; }
fail() {
  printf 'certificates.sh: %s\n' "$*" >&2
  exit 1
}

valid_for() { # CERTIFICATE SECONDS
  [[ -s $1 ]] && openssl x509 -in "$1" -noout -checkend "$2" >/dev/null 2>&1
}

# The key belongs to the certificate when both hold the same public key; a run that was cut short
# can leave a pair that does not.
belongs_together() { # CERTIFICATE KEY
  local of_certificate of_key
  of_certificate=$(openssl x509 -in "$1" -noout -pubkey 2>/dev/null) || return 1
  of_key=$(openssl pkey -in "$2" -pubout 2>/dev/null) || return 1
  [[ $of_certificate == "$of_key" ]]
}

new_key() { # FILE
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
  chmod 600 "$1"
}

ensure_authority() {
  local folder=$dir/ca
  if valid_for "$folder/ca.pem" "$AUTHORITY_RENEW_BEFORE_SECONDS" &&
    belongs_together "$folder/ca.pem" "$folder/key.pem"; then
    return
  fi
  say "making a certificate authority in $folder"
  new_key "$work/ca-key.pem"
  cat >"$work/ca.cnf" <<'CONFIG'
[req]
distinguished_name = name
x509_extensions = authority
prompt = no
[name]
CN = ContainerLease Docker CA
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
CONFIG
  openssl req -x509 -new -sha256 -days "$AUTHORITY_DAYS" -config "$work/ca.cnf" \
    -key "$work/ca-key.pem" -out "$work/ca.pem"
  mv "$work/ca-key.pem" "$folder/key.pem"
  mv "$work/ca.pem" "$folder/ca.pem"
}

ensure_leaf() { # server|client EXTENDED_KEY_USAGE COMMON_NAME [SUBJECT_ALTERNATIVE_NAMES]
  local kind=$1 usage=$2 common_name=$3 names=${4:-}
  local folder=$dir/$kind
  if valid_for "$folder/cert.pem" "$RENEW_BEFORE_SECONDS" &&
    belongs_together "$folder/cert.pem" "$folder/key.pem" &&
    cmp -s "$folder/ca.pem" "$dir/ca/ca.pem" &&
    openssl verify -CAfile "$dir/ca/ca.pem" "$folder/cert.pem" >/dev/null 2>&1 &&
    [[ $(cat "$dir/ca/$kind.names" 2>/dev/null) == "$names" ]]; then
    return
  fi
  say "making the $kind certificate in $folder${names:+ for $names}"
  new_key "$work/$kind-key.pem"
  {
    printf 'basicConstraints = critical, CA:FALSE\n'
    printf 'keyUsage = critical, digitalSignature\n'
    printf 'extendedKeyUsage = %s\n' "$usage"
    [[ -z $names ]] || printf 'subjectAltName = %s\n' "$names"
  } >"$work/$kind.ext"
  openssl req -new -sha256 -subj "/CN=$common_name" -key "$work/$kind-key.pem" -out "$work/$kind.csr"
  openssl x509 -req -sha256 -days "$LEAF_DAYS" -in "$work/$kind.csr" -extfile "$work/$kind.ext" \
    -CA "$dir/ca/ca.pem" -CAkey "$dir/ca/key.pem" -set_serial "0x$(openssl rand -hex 16)" \
    -out "$work/$kind-cert.pem" 2>/dev/null ||
    fail "openssl did not make the $kind certificate; are the names '$names' of the form IP:… or DNS:…?"
  mv "$work/$kind-key.pem" "$folder/key.pem"
  mv "$work/$kind-cert.pem" "$folder/cert.pem"
  cp "$dir/ca/ca.pem" "$folder/ca.pem"
  # The names are kept beside the authority so that a run with other names makes a new certificate.
  printf '%s\n' "$names" >"$dir/ca/$kind.names"
}

join_by_comma() {
  local IFS=,
  printf '%s' "$*"
}

main() {
  [[ $# -ge 1 && $1 != -* ]] || fail "usage: certificates.sh DIR [SAN ...], SAN being IP:… or DNS:…"
  command -v openssl >/dev/null || fail "openssl is missing; install it and run this again."
  command -v openssl >/dev/null || fail "openssl is missing; install it and run this again."
  dir=$1
  shift
  [[ $# -gt 0 ]] || set -- IP:127.0.0.1 DNS:localhost
  umask 077
  mkdir -p "$dir/ca" "$dir/server" "$dir/client"
  chmod 700 "$dir" "$dir/ca" "$dir/server" "$dir/client"
  # New files are made beside their place, so that each appears whole or not at all.
  work=$(mktemp -d "$dir/.new.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  ensure_authority
  ensure_leaf server serverAuth "ContainerLease Docker engine" "$(join_by_comma "$@")"
  ensure_leaf client clientAuth "ContainerLease client"
}

main "$@"
