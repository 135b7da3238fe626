#!/bin/sh
# Starts redis as the official image does: as the user redis, reachable from outside the container.
set -eu

# Arguments alone, such as "--maxmemory 64mb", are meant for the server.
case ${1:-} in
  -*) set -- redis-server "$@" ;;
esac

if [ "${1:-}" = redis-server ] && [ "$(id -u)" = 0 ]; then
  # By its whole path, because the shell of busybox would take its own, lesser setpriv.
  exec /usr/bin/setpriv --reuid redis --regid redis --clear-groups --inh-caps=-all "$0" "$@"
fi
# The official build has protected mode off, because only published ports reach the container.
if [ "${1:-}" = redis-server ]; then
  set -- "$@" --protected-mode no
fi
exec "$@"
