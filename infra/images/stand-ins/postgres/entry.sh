#!/bin/sh
# Starts PostgreSQL as the official image does: as the user postgres, with the database and the
# password that POSTGRES_DB, POSTGRES_USER and POSTGRES_PASSWORD name, reachable from outside.
set -eu

: "${PGDATA:=/var/lib/postgresql/data}"
: "${POSTGRES_USER:=postgres}"
: "${POSTGRES_DB:=$POSTGRES_USER}"
: "${POSTGRES_PASSWORD:=}"
export PGDATA

case ${1:-} in
  -*) set -- postgres "$@" ;;
esac
if [ "${1:-}" != postgres ]; then
  exec "$@"
fi

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  # Only if needed, because it requires a capability that the container usually lacks.
  if [ "$(stat -c %U "$PGDATA")" != postgres ]; then
    chown -R postgres:postgres "$PGDATA"
  fi
  # By its full path, because busybox's shell would run its own, more limited setpriv.
  exec /usr/bin/setpriv --reuid postgres --regid postgres --clear-groups --inh-caps=-all "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ -z "$POSTGRES_PASSWORD" ]; then
    echo "Error: set POSTGRES_PASSWORD to the password that the user $POSTGRES_USER shall have." >&2
    exit 1
  fi
  password_file=$(mktemp)
  printf '%s\n' "$POSTGRES_PASSWORD" >"$password_file"
  initdb --username="$POSTGRES_USER" --pwfile="$password_file" --encoding=UTF8 --locale=C.UTF-8 --no-sync
  rm -f "$password_file"
  printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
  printf "listen_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
  if [ "$POSTGRES_DB" != postgres ]; then
    printf 'CREATE DATABASE "%s";\n' "$(printf '%s' "$POSTGRES_DB" | sed 's/"/""/g')" |
      postgres --single -D "$PGDATA" postgres >/dev/null
  fi
  printf '\nPostgreSQL init process complete; ready for start up.\n\n'
fi

# On TERM PostgreSQL waits for its clients to leave; INT disconnects them. The official image has INT as
# its stop signal. An imported image cannot have one, so translate TERM here.
"$@" &
server=$!
trap 'kill -INT "$server"' TERM INT
trap 'kill -HUP "$server"' HUP
status=0
wait "$server" || status=$?
# A trapped signal interrupts the first wait; the second waits for the server itself.
while kill -0 "$server" 2>/dev/null; do
  status=0
  wait "$server" || status=$?
done
exit "$status"
