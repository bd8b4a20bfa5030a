#!/bin/sh
# Install the named Debian programs that are missing, where that is allowed; say so where not.
missing=""
for program in "$@"; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $missing >/dev/null
else
    echo "Not installed:$missing (as root: apt-get install$missing). What needs them is skipped and says so."
fi
exit 0
