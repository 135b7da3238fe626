#!/usr/bin/env bash
# Keeps the engine's certificate up to date on the host itself; a timer runs it daily.
#
# usage: refresh-certificate.sh
#
# If the environment names a secret, it fetches the certificate from there. If that differs from the one
# in use, it checks it, installs it and restarts Docker. Containers run on (live-restore). It always
# fails, which leaves a failed unit behind, if the certificate or its authority has fewer than 30 days
# left: nothing else on this machine would report that.
#
# environment, also read from /etc/containerlease/certificate.env by the unit:
#   CONTAINERLEASE_SERVER_SECRET   a secret of AWS Secrets Manager with the server's certificate, as
#                                  'certificates.sh upload DIR/server SECRET' puts it there
#   CONTAINERLEASE_DOCKER_TLS      where dockerd reads it (/etc/containerlease/docker-tls)
#   AWS_REGION and the other variables of the AWS SDK; by default the region of the secret's ARN
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
  # On the same file system, so that each file appears whole or not at all.
  new=$(mktemp -d "$folder/.new.XXXXXX")
  # shellcheck disable=SC2064  # The folder is known now.
  trap "rm -rf '$new'" EXIT
  problem=$(fetch "$new" 2>&1) || fail "the secret $secret cannot be used: $problem"
  problem=$("$here/certificates.sh" check "$new" server 2>&1) ||
    fail "the certificate in the secret $secret is not used: ${problem#certificates.sh: }"
  if same "$new" "$folder"; then
    say "the certificate in the secret is already in use"
    return
  fi
  # Docker reads them when it starts. If this run is cut off before, the next one sees them differ again.
  for name in key cert ca; do
    mv "$new/$name.pem" "$folder/$name.pem"
  done
  say "installed the certificate from the secret $secret"
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
