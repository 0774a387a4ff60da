#!/bin/sh
# The tests of deploy/ run a real nginx.
set -eu
. "$(dirname "$0")/system.sh"
command -v nginx >/dev/null 2>&1 || [ -x /usr/sbin/nginx ] || install nginx
