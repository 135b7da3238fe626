#!/usr/bin/env bash
# Makes and maintains the certificates for mutual TLS between a Docker engine and its clients.
#
# usage: certificates.sh DIR [SAN ...]              makes what is missing or expires soon
#        certificates.sh renew DIR [SAN ...]        makes new server and client certificates now
#        certificates.sh new-authority DIR          makes a new authority beside the present one
#        certificates.sh retire-authority DIR       stops trusting the previous one
#        certificates.sh expiry DIR [DAYS]          prints the days that each has left; fails if one
#                                                   has fewer than DAYS (30)
#        certificates.sh check DIR server|client    whether a folder can be used as it is
#        certificates.sh upload DIR SECRET          puts a folder into AWS Secrets Manager, as a new
#                                                   secret or a new version, and prints its ARN
#
#   DIR   the folder to fill; write a folder named like a command as ./renew
#   SAN   the address that clients use for the engine, such as IP:192.0.2.7 or DNS:docker.example.org
#         (default: IP:127.0.0.1 DNS:localhost; for renew: the present ones)
#
#   DIR/ca/      ca.pem key.pem            the authority; its key signs and is needed nowhere else
#   DIR/server/  ca.pem cert.pem key.pem   for dockerd
#   DIR/client/  ca.pem cert.pem key.pem   for clients; what DOCKER_CERT_PATH expects
#
# Without a command it can be run again at any time: it leaves certificates alone that are valid for more
# than 7 days. expiry, check and upload also accept one of these folders; where DIR holds all three, check
# and upload use DIR/client.
set -euo pipefail

readonly AUTHORITY_DAYS=3650
readonly LEAF_DAYS=365
readonly RENEW_BEFORE_SECONDS=$((7 * 24 * 3600))
# A leaf must not outlive its authority, so the authority is replaced while it can still cover one.
readonly AUTHORITY_RENEW_BEFORE_SECONDS=$(((LEAF_DAYS + 14) * 24 * 3600))
readonly WARN_DAYS=30

say() { printf '==> %s\n' "$*" >&2; }
fail() {
  printf 'certificates.sh: %s\n' "$*" >&2
  exit 1
}

valid_for() { # CERTIFICATE SECONDS
  [[ -s $1 ]] && openssl x509 -in "$1" -noout -checkend "$2" >/dev/null 2>&1
}

# A key belongs to a certificate if both hold the same public key. An interrupted run can leave a pair
# that does not.
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

# --- making ---------------------------------------------------------------------------------

# Files are written beside their final path and then renamed, so each appears whole or not at all.
open_folder() { # DIR
  dir=$1
  umask 077
  mkdir -p "$dir/ca" "$dir/server" "$dir/client"
  chmod 700 "$dir" "$dir/ca" "$dir/server" "$dir/client"
  work=$(mktemp -d "$dir/.new.XXXXXX")
  trap 'rm -rf "$work"' EXIT
}

has_authority() {
  [[ -s $dir/ca/ca.pem ]] && belongs_together "$dir/ca/ca.pem" "$dir/ca/key.pem"
}

make_authority() {
  local folder=$dir/ca
  say "making a certificate authority in $folder"
  new_key "$work/ca-key.pem"
  # Each authority has its own name: if two in a bundle share one, OpenSSL may try the wrong one.
  cat >"$work/ca.cnf" <<CONFIG
[req]
distinguished_name = name
x509_extensions = authority
prompt = no
[name]
CN = ContainerLease Docker CA $(openssl rand -hex 4)
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

ensure_authority() {
  if valid_for "$dir/ca/ca.pem" "$AUTHORITY_RENEW_BEFORE_SECONDS" && has_authority; then
    return
  fi
  # The certificates that the previous authority signed are remade too, so nothing needs it any more.
  rm -f "$dir/ca/previous.pem"
  make_authority
}

# What both sides trust: the authority, and during a replacement the previous one too.
write_trusted() {
  cat "$dir/ca/ca.pem" >"$work/trusted.pem"
  [[ ! -s $dir/ca/previous.pem ]] || cat "$dir/ca/previous.pem" >>"$work/trusted.pem"
}

trust() { # server|client
  cmp -s "$work/trusted.pem" "$dir/$1/ca.pem" && return
  cp "$work/trusted.pem" "$work/$1-ca.pem"
  mv "$work/$1-ca.pem" "$dir/$1/ca.pem"
}

ensure_leaf() { # server|client EXTENDED_KEY_USAGE COMMON_NAME [SUBJECT_ALTERNATIVE_NAMES]
  local kind=$1 usage=$2 common_name=$3 names=${4:-}
  local folder=$dir/$kind
  if [[ -z $renew ]] &&
    valid_for "$folder/cert.pem" "$RENEW_BEFORE_SECONDS" &&
    belongs_together "$folder/cert.pem" "$folder/key.pem" &&
    openssl verify -CAfile "$work/trusted.pem" "$folder/cert.pem" >/dev/null 2>&1 &&
    [[ $(cat "$dir/ca/$kind.names" 2>/dev/null) == "$names" ]]; then
    trust "$kind"
    return
  fi
  say "making the $kind certificate in $folder${names:+ for $names}"
  new_key "$work/$kind-key.pem"
  {
    printf 'basicConstraints = critical, CA:FALSE\n'
    printf 'keyUsage = critical, digitalSignature\n'
    printf 'extendedKeyUsage = %s\n' "$usage"
    printf 'authorityKeyIdentifier = keyid\n'
    [[ -z $names ]] || printf 'subjectAltName = %s\n' "$names"
  } >"$work/$kind.ext"
  openssl req -new -sha256 -subj "/CN=$common_name" -key "$work/$kind-key.pem" -out "$work/$kind.csr"
  openssl x509 -req -sha256 -days "$LEAF_DAYS" -in "$work/$kind.csr" -extfile "$work/$kind.ext" \
    -CA "$dir/ca/ca.pem" -CAkey "$dir/ca/key.pem" -set_serial "0x$(openssl rand -hex 16)" \
    -out "$work/$kind-cert.pem" 2>/dev/null ||
    fail "openssl did not make the $kind certificate; are the names '$names' of the form IP:… or DNS:…?"
  mv "$work/$kind-key.pem" "$folder/key.pem"
  mv "$work/$kind-cert.pem" "$folder/cert.pem"
  trust "$kind"
  # The names are kept beside the authority so that a run with other names makes a new certificate.
  printf '%s\n' "$names" >"$dir/ca/$kind.names"
}

ensure_leaves() { # SUBJECT_ALTERNATIVE_NAMES
  write_trusted
  ensure_leaf server serverAuth "ContainerLease Docker engine" "$1"
  ensure_leaf client clientAuth "ContainerLease client"
}

join_by_comma() {
  local IFS=,
  printf '%s' "$*"
}

make() { # DIR [SAN ...]
  open_folder "$1"
  shift
  [[ $# -gt 0 ]] || set -- IP:127.0.0.1 DNS:localhost
  ensure_authority
  ensure_leaves "$(join_by_comma "$@")"
}

renew() { # DIR [SAN ...]
  local names
  [[ -d $1/ca ]] || fail "$1 has no authority to sign with; run 'certificates.sh $1' on the machine that keeps it."
  open_folder "$1"
  shift
  has_authority || fail "$dir/ca has no authority with its key; renew on the machine that keeps the key."
  valid_for "$dir/ca/ca.pem" "$((LEAF_DAYS * 24 * 3600))" ||
    fail "the authority in $dir/ca expires before a new certificate would; run 'certificates.sh new-authority $dir' first."
  names=$(join_by_comma "$@")
  [[ -n $names ]] || names=$(cat "$dir/ca/server.names" 2>/dev/null) ||
    fail "$dir does not know the engine's names; give them, as IP:… or DNS:…"
  renew=1
  ensure_leaves "$names"
}

new_authority() { # DIR
  [[ -d $1/ca ]] || fail "$1 has no authority that could be replaced."
  open_folder "$1"
  has_authority || fail "$dir/ca has no authority with its key."
  [[ ! -e $dir/ca/previous.pem ]] ||
    fail "the authority in $dir is being replaced already; finish that with 'renew' and 'retire-authority'."
  # Copy first: if the run is cut off here, one authority is trusted twice, which is harmless.
  cp "$dir/ca/ca.pem" "$work/previous.pem"
  mv "$work/previous.pem" "$dir/ca/previous.pem"
  make_authority
  write_trusted
  trust server
  trust client
  say "both authorities are trusted now; install server/ca.pem and client/ca.pem before you renew"
}

retire_authority() { # DIR
  local kind
  [[ -s $1/ca/previous.pem ]] || fail "$1 trusts one authority only; there is none to retire."
  open_folder "$1"
  for kind in server client; do
    openssl verify -CAfile "$dir/ca/ca.pem" "$dir/$kind/cert.pem" >/dev/null 2>&1 ||
      fail "the previous authority signed the $kind certificate; run 'certificates.sh renew $dir' first."
  done
  rm "$dir/ca/previous.pem"
  write_trusted
  trust server
  trust client
}

# --- checking -------------------------------------------------------------------------------

seconds_of() { # DATE, as openssl prints it
  date -u -d "$1" +%s 2>/dev/null || date -ju -f '%b %e %T %Y %Z' "$1" +%s
}

# One line for each certificate of a file, which may hold several.
expiry_of() { # LABEL FILE DAYS
  local label=$1 file=$2 least=$3 one end days number=0
  while [[ -e $file ]]; do
    number=$((number + 1))
    one=$(awk -v wanted="$number" '/-----BEGIN CERTIFICATE-----/ { n++ } n == wanted' "$file")
    [[ -n $one ]] || break
    end=$(openssl x509 -noout -enddate <<<"$one" 2>/dev/null) || fail "$file does not hold certificates."
    end=${end#notAfter=}
    days=$((($(seconds_of "$end") - $(date +%s)) / 86400))
    printf '%-8s %5s days  until %s\n' "$label" "$days" "$end"
    ((days >= least)) || few=1
  done
  [[ $number -gt 1 ]] || fail "$file is missing or holds no certificate."
}

expiry() { # DIR [DAYS]
  local least=${2:-$WARN_DAYS}
  [[ $least =~ ^[0-9]+$ ]] || fail "DAYS is '$least'; it must be a number."
  few=
  if [[ -d $1/server && -d $1/client ]]; then
    expiry_of ca "$1/ca/ca.pem" "$least"
    [[ ! -e $1/ca/previous.pem ]] || expiry_of before "$1/ca/previous.pem" 0
    expiry_of server "$1/server/cert.pem" "$least"
    expiry_of client "$1/client/cert.pem" "$least"
  else
    expiry_of ca "$1/ca.pem" "$least"
    expiry_of cert "$1/cert.pem" "$least"
  fi
  [[ -z $few ]] || fail "not everything in $1 is valid for $least more days; infra/docker-host/README.md says how to renew."
}

check_folder() { # DIR server|client
  local name
  for name in ca cert key; do
    [[ -s $1/$name.pem ]] || fail "$1/$name.pem is missing."
  done
  valid_for "$1/cert.pem" 0 || fail "$1/cert.pem is not a certificate, or has expired."
  belongs_together "$1/cert.pem" "$1/key.pem" || fail "$1/key.pem is not the key of $1/cert.pem."
  openssl verify -purpose "ssl$2" -CAfile "$1/ca.pem" "$1/cert.pem" >/dev/null 2>&1 ||
    fail "$1/cert.pem is not a $2's certificate of the authority in $1/ca.pem."
}

check() { # DIR server|client
  [[ ${2:-} == server || ${2:-} == client ]] || fail "usage: certificates.sh check DIR server|client"
  if [[ -s $1/cert.pem ]]; then check_folder "$1" "$2"; else check_folder "$1/$2" "$2"; fi
}

# --- Secrets Manager ------------------------------------------------------------------------

# Only the PEM blocks, as a JSON string. Other text in the file is left out.
pem_as_json() { # FILE
  awk 'BEGIN { printf "\"" } /-----BEGIN /, /-----END / { sub(/\r$/, ""); printf "%s\\n", $0 } END { printf "\"" }' "$1"
}

as_json() { # FOLDER
  printf '{"ca": %s, "cert": %s, "key": %s}\n' \
    "$(pem_as_json "$1/ca.pem")" "$(pem_as_json "$1/cert.pem")" "$(pem_as_json "$1/key.pem")"
}

upload() { # DIR SECRET
  local folder=$1 secret=${2:-} arn problem kind=client
  [[ -n $secret && $# -eq 2 ]] || fail "usage: certificates.sh upload DIR SECRET"
  command -v aws >/dev/null || fail "the aws command is missing; install the AWS CLI and run this again."
  [[ -s $folder/cert.pem || ! -d $folder/client ]] || folder=$folder/client
  # A server's certificate goes into a secret too, from which a host fetches it.
  if openssl x509 -in "$folder/cert.pem" -noout -ext extendedKeyUsage 2>/dev/null | grep -q 'TLS Web Server'; then
    kind=server
  fi
  check_folder "$folder" "$kind"
  # The key goes through a pipe, so it is in no file and in no command line that others can see.
  if arn=$(aws secretsmanager describe-secret --secret-id "$secret" --query ARN --output text 2>&1); then
    as_json "$folder" | aws secretsmanager put-secret-value --secret-id "$secret" \
      --secret-string file:///dev/stdin >/dev/null || fail "the secret $secret did not accept a new version; see above."
    say "put the $kind certificate into the secret $secret, as a new version"
  else
    problem=$arn
    [[ $problem == *ResourceNotFoundException* ]] || fail "the secret $secret cannot be read: $problem"
    arn=$(as_json "$folder" | aws secretsmanager create-secret --name "$secret" \
      --description "ContainerLease: the Docker $kind's certificate, key and CA" \
      --secret-string file:///dev/stdin --query ARN --output text) || fail "the secret $secret could not be made; see above."
    say "made the secret $secret with the $kind certificate"
  fi
  printf '%s\n' "$arn"
}

# --- commands -------------------------------------------------------------------------------

command -v openssl >/dev/null || fail "openssl is missing; install it and run this again."
renew=
case ${1:-} in
  renew | new-authority | retire-authority | expiry | check | upload)
    [[ -n ${2:-} ]] || fail "usage: certificates.sh $1 DIR …"
    [[ -d $2 ]] || fail "$2 is not a folder."
    command=${1//-/_}
    shift
    "$command" "$@"
    ;;
  '' | -*) fail "usage: certificates.sh DIR [SAN ...], SAN being IP:… or DNS:…; the head of this script lists the other commands." ;;
  *) make "$@" ;;
esac
