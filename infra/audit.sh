#!/usr/bin/env bash
# Audits the dependencies: licences, sources and bans of the crates (deny.toml), and known
# vulnerabilities of crates and npm packages. Writes a bill of materials for each crate of the
# workspace, and for the dashboard.
#
# usage: audit.sh [--offline]
#   --offline   uses the advisory database of an earlier run, and skips npm's
#
# The bills are CycloneDX JSON, in .containerlease/sbom. The exit code is 1 if something is wrong, and
# 3 if nothing is wrong but not everything could be checked.
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repository"
readonly DENY=0.20.2
readonly CYCLONEDX=0.5.9
readonly tools=$repository/.containerlease/tools
readonly bills=$repository/.containerlease/sbom
wrong=0
unchecked=0
offline=0
log=$(mktemp)
readonly log
trap 'rm -f "$log"' EXIT

case ${1:-} in
  '') ;;
  --offline) offline=1 ;;
  *) fail "usage: audit.sh [--offline]" ;;
esac
[[ $# -le 1 ]] || fail "usage: audit.sh [--offline]"
command -v cargo >/dev/null || fail "cargo is missing; install Rust and run this again."
command -v npm >/dev/null || fail "npm is missing; install Node.js and run this again."

# The tools' versions are pinned, and each tool's own lockfile pins its dependencies.
have() { # CRATE VERSION
  [[ $("$tools/bin/$1" --version 2>/dev/null) == *"$2"* || $("$tools/bin/$1" "${1#cargo-}" --version 2>/dev/null) == *"$2"* ]] && return
  [[ $offline == 0 ]] || fail "$1 $2 is missing; run this once without --offline."
  say "building $1 $2, once (some minutes)"
  cargo install --quiet --locked --root "$tools" "$1@$2" >&2 || fail "$1 could not be built; its own message is above."
}

check() { # SENTENCE COMMAND…
  say "$1"
  "${@:2}" || wrong=1
}

# Crates for other systems are checked too, so they must be fetched.
deny() { "$tools/bin/cargo-deny" --offline check --hide-inclusion-graph "$@"; }

fetch_crates() {
  [[ $offline == 0 ]] || return 0
  cargo fetch --quiet --locked || fail "the crates could not be fetched; cargo's own message is above."
}

known_vulnerabilities() {
  say "known vulnerabilities of crates"
  if [[ $offline == 0 ]] && ! "$tools/bin/cargo-deny" fetch db >"$log" 2>&1; then
    unchecked=1
    say "the database of advisories could not be fetched: $(grep -v '^$' "$log" | tail -n 1)"
  fi
  if ! compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/*/.git" >/dev/null; then
    say "there is no database of advisories from an earlier run either"
    unchecked=1
    return
  fi
  deny advisories || wrong=1
}

vulnerabilities_of_npm() {
  say "known vulnerabilities of npm packages"
  [[ $offline == 0 ]] || { unchecked=1; return 0; }
  if (cd frontend && npm audit --omit=dev --audit-level=low) >"$log" 2>&1; then return; fi
  if grep -qE 'audit endpoint returned an error|ENOTFOUND|EAI_AGAIN' "$log"; then
    say "the registry in use has no audit service: $(grep -E 'npm (warn|error)' "$log" | head -n 1)"
    unchecked=1
  else
    cat "$log" >&2
    wrong=1
  fi
}

# The bills are made from the lockfiles, so that they list exactly what a release contains.
write_bills() {
  say "bills of materials in ${bills#"$repository/"}"
  rm -rf "$bills"
  mkdir -p "$bills"
  "$tools/bin/cargo-cyclonedx" cyclonedx --quiet --format json --manifest-path Cargo.toml --all-features >&2 || { wrong=1; return 0; }
  local bill
  while IFS= read -r bill; do mv -f "$bill" "$bills/"; done < <(find functions infra shared -name '*.cdx.json' -not -path '*/node_modules/*')
  (cd frontend && npm sbom --omit dev --sbom-format cyclonedx --package-lock-only) >"$bills/frontend.cdx.json" || wrong=1
  ls "$bills" >&2
}

have cargo-deny "$DENY"
have cargo-cyclonedx "$CYCLONEDX"
fetch_crates
check "licences, sources and bans of crates" deny bans licenses sources
known_vulnerabilities
vulnerabilities_of_npm
write_bills
if [[ $wrong -ne 0 ]]; then
  printf 'audit.sh: something is wrong; it is named above.\n' >&2
  exit 1
fi
if [[ $unchecked -ne 0 ]]; then
  printf 'audit.sh: nothing is wrong, but known vulnerabilities could not all be checked: no database was in reach.\n' >&2
  exit 3
fi
say "nothing is wrong"
