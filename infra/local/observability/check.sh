#!/usr/bin/env bash
# Checks the alert rules and the dashboard: their form, and every expression with a parser of
# Prometheus's language. A test of the server checks that the metrics exist.
#
# usage: check.sh
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../../.."
venv=$PWD/.containerlease/observability/venv

infra/venv.sh "$here/requirements.txt" "$venv" "a parser of Prometheus's language"
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/check.py"
