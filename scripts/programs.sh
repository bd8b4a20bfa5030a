#!/bin/sh
# Install the named programs that are missing, where that is allowed; say so where not.
# A Debian package that is called otherwise than its program: program:package.
missing=""
for named in "$@"; do
    command -v "${named%%:*}" >/dev/null 2>&1 || missing="$missing ${named#*:}"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    # Debian's package makes and starts a database of its own, unless this forbids it; the tests
    # start theirs. Only for now: who installs the package later for other ends gets that database.
    clusters=/etc/postgresql-common/createcluster.conf
    case "$missing" in *postgresql*)
        if [ ! -e "$clusters" ]; then
            mkdir -p "${clusters%/*}"
            echo "create_main_cluster = false" >"$clusters"
            trap 'rm -f "$clusters"' EXIT
        fi ;;
    esac
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $missing >/dev/null
else
    echo "Not installed:$missing (as root: apt-get install$missing). What needs them is skipped and says so."
fi
exit 0
