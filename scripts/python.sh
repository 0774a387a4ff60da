#!/bin/sh
# Make the virtual environment $2 with the interpreter $1, which must be Python 3.11, 3.12 or 3.13.
set -eu
. "$(dirname "$0")/system.sh"
command -v "$1" >/dev/null 2>&1 || install python3 python3-venv
"$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || {
    echo "Streaming Lab needs Python 3.11, 3.12 or 3.13; $1 is $("$1" -V). Name another: make PYTHON=python3.12" >&2
    exit 1
}
"$1" -c 'import ensurepip, venv' 2>/dev/null || install python3-venv
"$1" -m venv "$2"
