#!/bin/sh
# Installs, or installs anew, a peer on this host: sh install-peer.sh TRACKER [NAME [ADDRESS]]
# As root, in a directory with panal-*.whl, deploy/ and, for a network, join.txt; further settings, if there
# are any, in peer.env. Without NAME the peer is called as its host is; without ADDRESS it listens on the
# address that leads to the tracker, of several (HOST:PORT,HOST:PORT) to the first.
set -eu
test $# -ge 1 || { echo "Name the tracker: sh install-peer.sh TRACKER [NAME [ADDRESS]]" >&2; exit 2; }
tracker=$1
name=${2:-$(uname -n | cut -d. -f1)}
first=${tracker%%,*}
address=${3:-}
if [ -z "$address" ]; then
  host=${first%:*} host=${host#[} host=${host%]} # an IPv6 address comes in brackets
  place=$(getent ahosts "$host" | awk 'NR == 1 { print $1 }')
  address=$(ip -o route get "${place:-$host}" | sed -n 's/.* src \([^ ]*\).*/\1/p')
fi
test -n "$address" || { echo "No address of this host leads to $first: give one, as in install-peer.sh $tracker $name ADDRESS." >&2; exit 2; }
units=${UNITS:-/etc/systemd/system}
settings=${SETTINGS:-/etc/panal}
prefix=${PREFIX:-/opt/panal}
commands=${COMMANDS:-/usr/local/bin}

test -x "$prefix/bin/python" || python3 -m venv "$prefix"
"$prefix/bin/pip" install --quiet --disable-pip-version-check --upgrade ./panal-*.whl
# pip leaves what is there alone where a newer build has the same version.
"$prefix/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps ./panal-*.whl
ln -sf "$prefix/bin/panal" "$commands/panal"
install -D -m 644 deploy/panal-peer@.service "$units/panal-peer@.service"
mkdir -p "$settings"
umask 077
if ! test -e "$settings/peer-$name.env"; then
    printf 'PANAL_TRACKER=%s\nPANAL_HOST=%s\n' "$tracker" "$address" > "$settings/peer-$name.env"
    if test -e peer.env; then cat peer.env >> "$settings/peer-$name.env"; fi
fi
if test -e join.txt; then
    install -m 600 join.txt "$settings/join.txt"
    install -D -m 644 deploy/join.conf "$units/panal-peer@.service.d/join.conf"
fi
systemctl daemon-reload
systemctl enable --quiet "panal-peer@$name"
systemctl restart "panal-peer@$name"
echo "$name runs."
