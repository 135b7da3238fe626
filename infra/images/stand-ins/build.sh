#!/usr/bin/env bash
# Builds the root file systems of stand-in images from this Debian's or Ubuntu's own packages.
#
# usage: build.sh FOLDER TYPE...        (as root; prepare.sh calls it)
#   writes FOLDER/TYPE.tar, for 'docker import', and FOLDER/TYPE.origin, one line about its origin,
#   for each TYPE of: alpine nginx postgres python redis ubuntu
#
# Nothing is installed on this machine: mmdebstrap resolves and unpacks the packages into a
# temporary folder. Only a program, its linked libraries and busybox are copied.
set -euo pipefail
# shellcheck source=infra/say.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../say.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# --- packages -------------------------------------------------------------------------------

package_of() { # TYPE
  case $1 in
    alpine) echo busybox-static ;;
    nginx) echo nginx ;;
    postgres) echo postgresql ;;
    python) echo python3 ;;
    redis) echo redis-server ;;
    ubuntu) echo apt ;;
    *) fail "there is no stand-in for the image type '$1'." ;;
  esac
}

# Uses only the distribution's own sources: others have other keys, and nothing that we need.
find_sources() {
  local file
  sources=()
  if [[ -r /etc/apt/sources.list ]] && grep -E '^deb\s' /etc/apt/sources.list | grep -v 'cdrom:' >"$work/sources.list"; then
    sources+=("$work/sources.list")
  fi
  for file in /etc/apt/sources.list.d/{debian,ubuntu}.sources; do
    [[ ! -r $file ]] || sources+=("$file")
  done
  [[ ${#sources[@]} -gt 0 ]] || fail "apt's own sources were found neither in sources.list nor in sources.list.d."
}

# apt inside mmdebstrap does not read this machine's settings, but needs those for proxy and verification.
write_apt_settings() {
  apt-config dump | grep -E '^Acquire::(Check-|http|https|Retries|ForceIPv)' >"$work/apt.conf" || true
}

strap() { # VARIANT TARGET OPTION...
  local variant=$1 target=$2
  shift 2
  mmdebstrap --quiet --mode=root --variant="$variant" --aptopt="$work/apt.conf" "$@" \
    "$codename" "$target" "${sources[@]}" >"$work/mmdebstrap.log" 2>&1 || {
    tail -n 20 "$work/mmdebstrap.log" >&2
    fail "mmdebstrap could not unpack the packages; its last lines are above."
  }
}

extract_packages() { # TYPE...
  local type package packages=busybox-static,ca-certificates,libc-bin,util-linux
  for type; do
    package=$(package_of "$type")
    [[ ,$packages, == *,$package,* ]] || packages+=,$package
  done
  say "unpacking $packages"
  # The hook notes the versions, which the unpacked folder itself does not know.
  # shellcheck disable=SC2016  # mmdebstrap expands the variables.
  strap extract "$full" --skip=output/dev --include="$packages" \
    --extract-hook='APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-cache policy '"${packages//,/ }"' >"$1/versions"'
}

version_of() { # PACKAGE
  awk -v package="$1:" '$1 == package { found = 1 } found && $1 == "Candidate:" { print $2; exit }' "$full/versions"
}

# --- small roots ----------------------------------------------------------------------------

# The common parts of all small roots: folders, users, public CA certificates.
start_root() {
  rm -rf "$root"
  mkdir -p "$root"/{dev,etc/ssl/certs,home,proc,root,run,sys,tmp,usr/bin,usr/lib,usr/lib64,usr/sbin,var/log,var/tmp}
  ln -s usr/bin usr/lib usr/lib64 usr/sbin "$root/"
  ln -s /run "$root/var/run"
  chmod 1777 "$root/tmp" "$root/var/tmp"
  chmod 700 "$root/root"
  cat >"$root/etc/passwd" <<'PASSWD'
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
PASSWD
  cat >"$root/etc/group" <<'GROUP'
root:x:0:
tty:x:5:
nogroup:x:65534:
GROUP
  printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
  cp -L /etc/os-release "$root/etc/os-release"
  cat "$full"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
}

add_user() { # NAME ID HOME
  printf '%s:x:%s:%s:%s:%s:/bin/false\n' "$1" "$2" "$2" "$1" "$3" >>"$root/etc/passwd"
  printf '%s:x:%s:\n' "$1" "$2" >>"$root/etc/group"
}

own_folder() { # PATH MODE ID
  mkdir -p "$root$1"
  chmod "$2" "$root$1"
  chown "$3:$3" "$root$1"
}

# Packages may still say /bin where the root has /usr/bin; both lead to the same place there.
find_in_full() { # PATH
  local path
  for path in "$1" "/usr$1" "${1#/usr}"; do
    [[ ! -e $full$path ]] || {
      printf '%s\n' "$path"
      return
    }
  done
  fail "the packages hold no $1."
}

copy_tree() { # PATH
  mkdir -p "$root$(dirname "$1")"
  cp -a "$full$1" "$root$(dirname "$1")/"
}

copy_time_zones() {
  copy_tree /usr/share/zoneinfo
  rm -rf "$root/usr/share/zoneinfo/"{posix,right}
  ln -s /usr/share/zoneinfo/UTC "$root/etc/localtime"
}

# Copies the libraries that the given files are linked with, as their own loader finds them.
copy_libraries() { # PATH...
  local loader path library
  loader=$(cd "$full" && for path in lib64/ld-linux-*.so.* lib/ld-linux-*.so.* usr/lib64/ld-linux-*.so.* usr/lib/ld-linux-*.so.*; do
    [[ ! -e $path ]] || {
      printf '/%s\n' "$path"
      break
    }
  done)
  [[ -n $loader ]] || fail "the packages hold no loader for programs."
  {
    printf '%s\n' "$loader"
    for path; do
      chroot "$full" "$loader" --list "$path" 2>/dev/null |
        awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' || true
    done
  } | sort -u | while IFS= read -r library; do
    [[ ! -e $root$library ]] || continue
    mkdir -p "$root$(dirname "$library")"
    cp -L "$full$(find_in_full "$library")" "$root$library"
  done
}

copy_programs() { # PATH...
  local path found=()
  for path; do
    found+=("$(find_in_full "$path")")
    mkdir -p "$root$(dirname "$path")"
    cp -L "$full${found[-1]}" "$root$path"
  done
  copy_libraries "${found[@]}"
}

# Adds the commands of busybox whose names the copied programs do not use.
finish_root() { # TYPE
  cp -L "$full$(find_in_full /bin/busybox)" "$root/usr/bin/busybox"
  chroot "$root" /usr/bin/busybox --install -s
  tar -C "$root" --numeric-owner -cf "$out/$1.tar" .
}

# --- the types ------------------------------------------------------------------------------

build_alpine() {
  start_root
  finish_root alpine
}

build_redis() {
  start_root
  add_user redis 999 /data
  own_folder /data 755 999
  # In Debian redis-server is a link to redis-check-rdb, which acts by the name it is called with.
  copy_programs /usr/bin/redis-server /usr/bin/redis-cli /usr/bin/setpriv
  install -D -m 755 "$here/redis/entry.sh" "$root/usr/local/bin/docker-entrypoint.sh"
  finish_root redis
}

build_nginx() {
  start_root
  add_user nginx 101 /nonexistent
  copy_programs /usr/sbin/nginx
  install -D -m 644 "$full/etc/nginx/mime.types" "$root/etc/nginx/mime.types"
  install -D -m 644 "$here/nginx/nginx.conf" "$root/etc/nginx/nginx.conf"
  install -D -m 644 "$here/nginx/default.conf" "$root/etc/nginx/conf.d/default.conf"
  install -D -m 644 "$here/nginx/index.html" "$root/usr/share/nginx/html/index.html"
  mkdir -p "$root/var/log/nginx" "$root/var/cache/nginx"
  ln -s /dev/stdout "$root/var/log/nginx/access.log"
  ln -s /dev/stderr "$root/var/log/nginx/error.log"
  finish_root nginx
}

build_python() {
  local version modules
  start_root
  version=$(basename "$(readlink "$full/usr/bin/python3")")
  copy_programs "/usr/bin/$version"
  ln -s "$version" "$root/usr/bin/python3"
  ln -s "$version" "$root/usr/bin/python"
  copy_tree "/usr/lib/$version"
  mapfile -t modules < <(cd "$full" && find "usr/lib/$version/lib-dynload" -name '*.so' -printf '/%p\n')
  copy_libraries "${modules[@]}"
  copy_time_zones
  finish_root python
}

build_postgres() {
  local version modules program
  start_root
  add_user postgres 999 /var/lib/postgresql
  version=$(basename "$(find "$full/usr/lib/postgresql" -mindepth 1 -maxdepth 1 | sort -V | tail -n 1)")
  # Compiling queries at run time needs LLVM, six times the size of everything else.
  rm -rf "$full/usr/lib/postgresql/$version/lib/"{llvmjit.so,bitcode}
  copy_tree "/usr/lib/postgresql/$version"
  copy_tree "/usr/share/postgresql/$version"
  copy_time_zones
  copy_programs /usr/bin/setpriv /usr/bin/locale
  mapfile -t modules < <(cd "$full" && find "usr/lib/postgresql/$version" -type f -printf '/%p\n')
  copy_libraries "${modules[@]}"
  mkdir -p "$root/usr/local/bin"
  for program in "$root/usr/lib/postgresql/$version/bin/"*; do
    ln -s "${program#"$root"}" "$root/usr/local/bin/$(basename "$program")"
  done
  # initdb needs the locale C.UTF-8, which older releases keep as files.
  [[ ! -d $full/usr/lib/locale ]] || copy_tree /usr/lib/locale
  own_folder /var/lib/postgresql 755 999
  own_folder /var/lib/postgresql/data 1777 999
  own_folder /run/postgresql 3775 999
  install -D -m 755 "$here/postgres/entry.sh" "$root/usr/local/bin/docker-entrypoint.sh"
  finish_root postgres
}

build_ubuntu() {
  say "installing a minimal $NAME"
  # Leaves out what containers do not need, half of the size. Also removes a proxy's address, which
  # may contain a password: tenants see everything in here.
  # shellcheck disable=SC2016  # mmdebstrap expands the variable.
  strap minbase "$out/ubuntu.tar" \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/log/*.log "$1"/var/log/apt' \
    --customize-hook='sed -i "/^Acquire::https*:/d" "$1"/etc/apt/apt.conf.d/99mmdebstrap'
}

# --- main -----------------------------------------------------------------------------------

main() {
  local type package version small=()
  [[ $# -ge 2 ]] || fail "usage: build.sh FOLDER TYPE..."
  [[ $EUID -eq 0 ]] || fail "run this as root; files in the images belong to several users."
  command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing; install it with apt-get and run this again."
  out=$(cd "$1" && pwd)
  shift
  # shellcheck source=/dev/null
  . /etc/os-release
  codename=${VERSION_CODENAME:?/etc/os-release names no release}
  umask 022
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  full=$work/full
  root=$work/root
  for type; do
    package_of "$type" >/dev/null
    [[ $type == ubuntu ]] || small+=("$type")
  done
  find_sources
  write_apt_settings
  [[ ${#small[@]} -eq 0 ]] || extract_packages "${small[@]}"
  for type in "${small[@]}"; do
    say "building the stand-in for $type"
    "build_$type"
    package=$(package_of "$type")
    version=$(version_of "$package")
    printf '%s %s, package %s%s\n' "${NAME%% *}" "${VERSION_ID:-$codename}" "$package" "${version:+ $version}" >"$out/$type.origin"
  done
  for type; do
    [[ $type == ubuntu ]] || continue
    build_ubuntu
    printf '%s %s, its minimal system\n' "${NAME%% *}" "${VERSION_ID:-$codename}" >"$out/ubuntu.origin"
  done
}

main "$@"
