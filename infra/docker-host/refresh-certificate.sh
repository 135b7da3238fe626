#!/usr/bin/env bash
# Looks after the engine's certificate on the host itself; a timer runs it each day.
#
# usage: refresh-certificate.sh
#
# Where the environment names a secret, what it holds is fetched; a certificate that differs from the
# one in use is checked, put in its place, and Docker is restarted with it. Containers run on
# (live-restore). In any case it fails, and so leaves a failed unit behind, when the certificate or
# its authority has fewer than 30 days left: nobody else on this machine would say so.
#
# environment, also read from /etc/containerlease/certificate.env by the unit:
#   CONTAINERLEASE_SERVER_SECRET   a secret of AWS Secrets Manager with the server's certificate, as
#                                  'certificates.sh upload DIR/server SECRET' puts it there
#   CONTAINERLEASE_DOCKER_TLS      where dockerd reads it (/etc/containerlease/docker-tls)
#   AWS_REGION and its like        as the AWS SDK has them; without, the region of the secret's ARN
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${CONTAINERLEASE_DOCKER_TLS:-/etc/containerlease/docker-tls}
secret=${CONTAINERLEASE_SERVER_SECRET:-}

say() { printf '==> %s\n' "$*" >&2; }
fail() {
  printf 'refresh-certificate.sh: %s\n' "$*" >&2
  exit 1
}

# Python's boto3 is in every release of Debian and Ubuntu; the AWS command line is not.
fetch() { # FOLDER
  python3 - "$secret" "$1" <<'PYTHON'
import json, os, pathlib, sys
import boto3

secret, folder = sys.argv[1], pathlib.Path(sys.argv[2])
parts = secret.split(":")
region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or (parts[3] if len(parts) > 3 else None)
try:
    client = boto3.client("secretsmanager", region_name=region)
    texts = json.loads(client.get_secret_value(SecretId=secret)["SecretString"])
    for name in ("ca", "cert", "key"):
        (folder / f"{name}.pem").write_text(texts[name])
except (KeyError, ValueError):
    sys.exit("it is not JSON with the PEM texts ca, cert and key")
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
PYTHON
}

same() { # FOLDER FOLDER
  local name
  for name in ca cert key; do
    cmp -s "$1/$name.pem" "$2/$name.pem" || return 1
  done
}

refresh() {
  local problem name new
  python3 -c 'import boto3' 2>/dev/null ||
    fail "python3-boto3 is missing; install it and run this again."
  mkdir -p "$folder"
  chmod 700 "$folder"
  # In the same file system, so that each file appears whole or not at all.
  new=$(mktemp -d "$folder/.new.XXXXXX")
  # shellcheck disable=SC2064  # The folder is known now.
  trap "rm -rf '$new'" EXIT
  problem=$(fetch "$new" 2>&1) || fail "the secret $secret cannot be used: $problem"
  problem=$("$here/certificates.sh" check "$new" server 2>&1) ||
    fail "what the secret $secret holds is not used: ${problem#certificates.sh: }"
  if same "$new" "$folder"; then
    say "the certificate of the secret is in use already"
    return
  fi
  # Docker reads them when it starts. Cut off in between, the next run finds them different again.
  for name in key cert ca; do
    mv "$new/$name.pem" "$folder/$name.pem"
  done
  say "took the certificate of the secret $secret"
  if grep -qs "\"$folder/cert.pem\"" /etc/docker/daemon.json && [[ -d /run/systemd/system ]] &&
    systemctl --quiet is-active docker.service; then
    say "restarting Docker with it; containers run on"
    systemctl restart docker.service
  fi
}

umask 077
[[ $# -eq 0 ]] || fail "usage: refresh-certificate.sh"
[[ -z $secret ]] || refresh
"$here/certificates.sh" expiry "$folder"
