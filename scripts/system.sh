# Sourced: `install PACKAGE...` installs Debian packages where that is allowed, otherwise says so and exits 1.
install() {
    if command -v apt-get >/dev/null 2>&1; then
        if [ "$(id -u)" = 0 ]; then as_root=""; elif sudo -n true 2>/dev/null; then as_root="sudo"; else as_root="no"; fi
        if [ "$as_root" != no ]; then
            echo "Installing $* ..."
            $as_root apt-get update -qq &&
                DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq "$@" >/dev/null && return 0
        fi
    fi
    echo "Please install $* (for example: sudo apt-get install $*), then run this again." >&2
    exit 1
}
