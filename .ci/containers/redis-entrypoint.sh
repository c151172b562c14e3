#!/bin/bash
# redis-server from Debian's package behind the contract of the official image: arguments are the server and its
# options, clients from outside of the container are let in, and what is kept is in /data.
set -euo pipefail

mkdir -p /data
chown redis:redis /data
cd /data

[ $# -gt 0 ] || set -- redis-server
if [ "$1" = redis-server ]; then set -- "$@" --protected-mode no; fi
exec setpriv --reuid=redis --regid=redis --init-groups "$@"
