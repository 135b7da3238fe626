#!/usr/bin/env bash
# Checks the alert rules and the dashboard: their form, and every expression in them by a parser of
# Prometheus's language. Whether a server has the metrics is a test of the server.
#
# usage: check.sh
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../../.."
venv=$PWD/.containerlease/observability/venv

infra/venv.sh "$here/requirements.txt" "$venv" "a parser of Prometheus's language"
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/check.py"
