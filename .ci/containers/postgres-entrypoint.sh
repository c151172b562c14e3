#!/bin/bash
# PostgreSQL from Debian's package behind the contract of the official image: POSTGRES_USER, POSTGRES_PASSWORD and
# POSTGRES_DB name the superuser, its password and the first database; arguments are the server and its options.
set -euo pipefail

PATH="$(echo /usr/lib/postgresql/*/bin):$PATH"
export PATH PGDATA=/var/lib/postgresql/container
user="${POSTGRES_USER:-postgres}"
database="${POSTGRES_DB:-$user}"

# Like the official image, which listens to nobody before the database is there: a client that gets through the port
# finds what it was promised.
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
# A container that was ended and is started again has its database.
if [ ! -e "$PGDATA/PG_VERSION" ]; then
  password_file="$(mktemp)"
  printf '%s' "${POSTGRES_PASSWORD:?is required}" >"$password_file"
  chown postgres "$password_file"
  as_postgres initdb --pgdata="$PGDATA" --username="$user" --pwfile="$password_file" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync --no-instructions >/dev/null
  rm "$password_file"
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  if [ "$database" != postgres ]; then
    echo "CREATE DATABASE \"$database\";" | as_postgres postgres --single -D "$PGDATA" postgres >/dev/null
  fi
fi

[ $# -gt 0 ] || set -- postgres
exec setpriv --reuid=postgres --regid=postgres --init-groups "$@" -c listen_addresses='*' \
  -c unix_socket_directories=/tmp
