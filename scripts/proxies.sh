#!/bin/sh
# The tests of the network go through real proxies: tinyproxy for HTTP, microsocks for SOCKS.
set -eu
. "$(dirname "$0")/system.sh"
command -v tinyproxy >/dev/null 2>&1 || install tinyproxy
command -v microsocks >/dev/null 2>&1 || install microsocks
