#!/bin/sh
# The tests drive Debian's Chromium; Japanese in screenshots needs a font that has it.
set -eu
. "$(dirname "$0")/system.sh"
command -v chromium >/dev/null 2>&1 || install chromium
fc-list :lang=ja 2>/dev/null | grep -q . || install fontconfig fonts-noto-cjk
