#!/bin/sh
# Starts redis as the official image does: as the user redis, reachable from outside the container.
set -eu

# Arguments alone, such as "--maxmemory 64mb", are meant for the server.
case ${1:-} in
  -*) set -- redis-server "$@" ;;
esac

if [ "${1:-}" = redis-server ] && [ "$(id -u)" = 0 ]; then
  # By its full path, because busybox's shell would run its own, more limited setpriv.
  exec /usr/bin/setpriv --reuid redis --regid redis --clear-groups --inh-caps=-all "$0" "$@"
fi
# Protected mode is off as in the official image, because only published ports reach the container.
if [ "${1:-}" = redis-server ]; then
  set -- "$@" --protected-mode no
fi
exec "$@"
