#!/bin/sh
# Install the named programs that are missing, where that is allowed; say so where not.
# A Debian package that is called otherwise than its program: program:package.
missing=""
for named in "$@"; do
    command -v "${named%%:*}" >/dev/null 2>&1 || missing="$missing ${named#*:}"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    # Debian's package makes and starts a database of its own; the tests start theirs.
    case "$missing" in *postgresql*)
        mkdir -p /etc/postgresql-common
        [ -e /etc/postgresql-common/createcluster.conf ] ||
            echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf ;;
    esac
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $missing >/dev/null
else
    echo "Not installed:$missing (as root: apt-get install$missing). What needs them is skipped and says so."
fi
exit 0
