#!/usr/bin/env bash
# Builds the dashboard and uploads it to the bucket of a deployed stack.
#
# usage: upload.sh [empty]
#   empty   removes everything in the bucket, so that the stack can be deleted
#
# Uploads the files that the page needs, then the page, and last removes unneeded files, so that the
# page is complete for every user at every moment.
#
# environment:
#   CONTAINERLEASE_STACK    the stack (containerlease)
#   AWS_PROFILE, AWS_REGION and the other variables of the AWS CLI
#   AWS_ENDPOINT_URL        an emulator in place of AWS
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../say.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
readonly dist=$repository/frontend/dist
readonly stack=${CONTAINERLEASE_STACK:-containerlease}

# The AWS CLI on the PATH, or else the one among the emulator's tools.
find_aws() {
  local brought=${CONTAINERLEASE_EMULATOR_VENV:-$repository/.containerlease/emulator/venv}/bin/aws
  aws=$(type -P aws || true)
  [[ -n $aws || ! -x $brought ]] || aws=$brought
  [[ -n $aws ]] || fail "the AWS CLI is missing; install it, or run infra/emulator/venv.sh, and run this again."
}

aws() { AWS_PAGER='' "$aws" "$@"; }

output() { # OUTPUT
  local value
  value=$(aws cloudformation describe-stacks --stack-name "$stack" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue") ||
    fail "the stack $stack cannot be read; deploy it, name it in CONTAINERLEASE_STACK, and check account and region."
  [[ -n $value && $value != None ]] ||
    fail "the stack $stack has no output $1; deploy it with Hosting=true."
  printf '%s\n' "$value"
}

# Browsers trust the content type and do not sniff.
content_type() { # FILE
  case $1 in
    *.html) echo 'text/html; charset=utf-8' ;;
    *.js) echo 'text/javascript; charset=utf-8' ;;
    *.css) echo 'text/css; charset=utf-8' ;;
    *.json | *.map) echo 'application/json' ;;
    *.webmanifest) echo 'application/manifest+json' ;;
    *.txt) echo 'text/plain; charset=utf-8' ;;
    *.svg) echo 'image/svg+xml' ;;
    *.png) echo 'image/png' ;;
    *.ico) echo 'image/x-icon' ;;
    *.woff2) echo 'font/woff2' ;;
    *) fail "the type of $1 is unknown; add it to content_type." ;;
  esac
}

put() { # FILE CACHE-CONTROL
  local type
  type=$(content_type "$1")
  say "$1"
  aws s3api put-object --bucket "$bucket" --key "$1" --body "$dist/$1" \
    --content-type "$type" --cache-control "$2" >/dev/null || fail "$1 could not be uploaded."
}

upload() {
  local built uploaded file distribution invalidation url
  "$repository/infra/local/dashboard.sh"
  [[ -f $dist/index.html ]] || fail "the dashboard was not built; see what infra/local/dashboard.sh says."
  built=$(cd "$dist" && find . -type f | sed 's|^\./||' | LC_ALL=C sort)
  find_aws
  bucket=$(output DashboardBucketName)
  distribution=$(output DistributionId)
  url=$(output DashboardUrl)
  say "uploading to $bucket"
  while IFS= read -r file; do
    case $file in
      # A file in assets/ has its content's hash in its name.
      assets/*) put "$file" 'public, max-age=31536000, immutable' ;;
      index.html) ;;
      *) put "$file" no-cache ;;
    esac
  done <<<"$built"
  put index.html no-cache
  say "invalidating CloudFront's cache"
  invalidation=$(aws cloudfront create-invalidation --distribution-id "$distribution" --paths /index.html \
    --query Invalidation.Id --output text) || fail "the invalidation of CloudFront's cache could not be started."
  aws cloudfront wait invalidation-completed --distribution-id "$distribution" --id "$invalidation" ||
    fail "CloudFront still caches the old page; run this again later to remove its files."
  uploaded=$(aws s3api list-objects-v2 --bucket "$bucket" --query 'Contents[].[Key]' --output text) ||
    fail "$bucket could not be listed."
  while IFS= read -r file; do
    say "removing $file"
    aws s3api delete-object --bucket "$bucket" --key "$file" >/dev/null || fail "$file could not be removed."
  done < <(LC_ALL=C comm -13 <(printf '%s\n' "$built") <(LC_ALL=C sort <<<"$uploaded"))
  printf '%s\n' "$url"
}

# The bucket keeps old versions, which must be removed too.
empty() {
  local found
  find_aws
  bucket=$(output DashboardBucketName)
  say "emptying $bucket"
  while :; do
    found=$(aws s3api list-object-versions --bucket "$bucket" --max-items 500 --output json \
      --query '{Objects: [Versions, DeleteMarkers][].{Key: Key, VersionId: VersionId}}')
    [[ $found == *'"Key"'* ]] || break
    aws s3api delete-objects --bucket "$bucket" --delete "$found" >/dev/null || fail "$bucket could not be emptied."
  done
}

case ${1:-} in
  '') upload ;;
  empty) empty ;;
  *) fail "usage: upload.sh [empty]" ;;
esac
