#!/usr/bin/env bash
# Draws docs/architecture.svg from docs/architecture.dot, or checks that this was done. The picture
# carries its source's sum, so that the check needs no graphviz.
#
# usage: picture.sh draw|check
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"

cd "$(dirname "${BASH_SOURCE[0]}")/../docs"
readonly source=architecture.dot picture=architecture.svg

# The picture's last line.
mark() { printf '<!-- %s, sha256 %s -->\n' "$source" "$(sha256sum <"$source" | cut -d ' ' -f 1)"; }

# Without graphviz's version, and without titles, which browsers show as tooltips.
draw() {
  local svg
  command -v dot >/dev/null || fail "dot is missing; install graphviz and run this again."
  svg=$(dot -Tsvg "$source")
  {
    sed -e '/^<!--.*-->$/d' -e '/^<!--/,/-->$/d' -e '/^<!DOCTYPE/,/>$/d' -e '/^<title>/d' <<<"$svg"
    mark
  } >"$picture"
}

check() {
  [[ $(tail -n 1 "$picture") == "$(mark)" ]] ||
    fail "docs/$picture is older than docs/$source; run 'make picture', which needs graphviz."
}

case ${1:-} in
  draw | check) "$1" ;;
  *) fail "usage: picture.sh draw|check" ;;
esac
