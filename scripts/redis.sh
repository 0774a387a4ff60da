#!/bin/sh
# The tests of the shared hub run a real Redis server.
set -eu
. "$(dirname "$0")/system.sh"
command -v redis-server >/dev/null 2>&1 || install redis-server
