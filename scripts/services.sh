#!/bin/sh
# The lines of docs/OPERATING.md under a real systemd: a Debian that is booted in a container, as root.
# sh scripts/services.sh [DIRECTORY]; what is fetched from Debian and PyPI (0.5 GB) is kept there.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
kept=${1:-/var/tmp/panal-services}
machine=$kept/machine
sh "$here/scripts/programs.sh" debootstrap systemd-nspawn:systemd-container
mkdir -p "$kept/wheels"
test -e "$kept/debian/etc/debian_version" || debootstrap --variant=minbase \
    --include=systemd,systemd-sysv,dbus,python3,python3-venv,sudo,iproute2,jq,postgresql bookworm "$kept/debian" >/dev/null
# That Debian's own Python, for which the wheels are.
"${PYTHON:-python3.11}" -m pip wheel --quiet --wheel-dir "$kept/wheels" "$here[postgres]"
rm -rf "$machine"
cp -a "$kept/debian" "$machine"
printf '[global]\nno-index = true\nfind-links = /wheels\n' >"$machine/etc/pip.conf"
mkdir -p "$machine/root/panal"
cp -r "$kept"/wheels/panal-*.whl "$here/deploy" "$machine/root/panal/"

# What an operator types; the last line is printed only where everything was as it should be.
cat >"$machine/root/rehearsal" <<'END'
set -eux
cd /root/panal
python3 -m venv /opt/panal && /opt/panal/bin/pip install --quiet ./panal-*.whl
ln -s /opt/panal/bin/panal /usr/local/bin/
install -D -m 644 deploy/panal-tracker.service -t /etc/systemd/system/
install -D -m 600 /dev/stdin /etc/panal/tracker.env <<'SETTINGS'
PANAL_LISTEN=0.0.0.0:50051
SETTINGS
systemctl daemon-reload && systemctl enable --now panal-tracker
panal network join-line --state /var/lib/panal-tracker --address 127.0.0.1:50051 --to join.txt
for port in 5000 5001; do
    printf 'PANAL_PORT=%s\n' "$port" >peer.env
    sh deploy/install-peer.sh 127.0.0.1:50051 "at-$port" 127.0.0.1
done
head -c 9000000 /dev/urandom >/srv/film.mp4 && chmod 644 /srv/film.mp4
panal add --copy /srv/film.mp4
panal get "$(panal link film.mp4)" --peer http://127.0.0.1:5001
cmp /srv/film.mp4 /var/lib/panal-peer/at-5001/files/film.mp4
panal doctor

# It writes nowhere else, reads nobody's files and has no rights.
for unit in panal-tracker panal-peer@at-5000; do
    mkdir -p "/etc/systemd/system/$unit.service.d"
    cat >"/etc/systemd/system/$unit.service.d/look.conf" <<'LOOK'
[Service]
ExecStartPost=/bin/bash -c 'for at in / /etc /var/lib /opt/panal /srv /root /home; do ! touch $at/x || exit 1; done'
ExecStartPost=/bin/bash -c '! cat /etc/shadow /etc/panal/* && ! mount -t tmpfs none /tmp && grep -q "CapBnd:.*0000$" /proc/self/status'
LOOK
    systemctl daemon-reload && systemctl restart "$unit"
done

# On PostgreSQL, with the members that it had, and a second tracker beside it.
printf '%s\n' "CREATE ROLE panal LOGIN PASSWORD 'of-the-database';" 'CREATE DATABASE panal OWNER panal;' |
    sudo -u postgres psql --quiet --set ON_ERROR_STOP=1
/opt/panal/bin/pip install --quiet "$(echo ./panal-*.whl)[postgres]"
echo 'PANAL_STORE=postgresql://panal:of-the-database@127.0.0.1/panal' >>/etc/panal/tracker.env
systemctl restart panal-tracker
sed s/panal-tracker/panal-tracker-b/ deploy/panal-tracker.service >/etc/systemd/system/panal-tracker-b.service
sed 's/tracker\.env/tracker-b.env/' -i /etc/systemd/system/panal-tracker-b.service
sed 's/:50051/:50052/' /etc/panal/tracker.env >/etc/panal/tracker-b.env
tar c -C /var/lib/panal-tracker/network authority.key authority.pem |
    sh -c "umask 077; mkdir -p /var/lib/private/panal-tracker-b/network && cd /var/lib/private/panal-tracker-b && tar x -C network && chown -R --reference=. network"
systemctl daemon-reload && systemctl start panal-tracker-b
until panal search film.mp4 --join @join.txt | grep 'at-5001'; do sleep 1; done
sed 's/^PANAL_TRACKER=.*/PANAL_TRACKER=127.0.0.1:50051,127.0.0.1:50052/' -i /etc/panal/peer-at-*.env
systemctl restart 'panal-peer@*'
systemctl stop panal-tracker
until panal search film.mp4 --tracker 127.0.0.1:50051,127.0.0.1:50052 | grep 'at-5000'; do sleep 1; done
systemctl stop postgresql
until panal tracker status --state /var/lib/panal-tracker-b | grep -i 'database'; do sleep 1; done
systemctl start postgresql
until panal search film.mp4 --tracker 127.0.0.1:50051,127.0.0.1:50052 | grep 'at-5000'; do sleep 1; done
systemctl start panal-tracker

# Killed, it is there again; stopped, it ends well; upgraded, it knows what it knew.
systemctl kill --signal KILL panal-peer@at-5001
until panal ls --peer http://127.0.0.1:5001; do sleep 1; done
sh deploy/install-peer.sh 127.0.0.1:50051 at-5001 127.0.0.1
panal ls --peer http://127.0.0.1:5001 | grep film.mp4
systemctl stop 'panal-peer@*' panal-tracker panal-tracker-b
for unit in panal-peer@at-5000 panal-peer@at-5001 panal-tracker panal-tracker-b; do
    systemctl show --property Result "$unit" | grep success
    journalctl -u "$unit" -o cat | jq -cR 'fromjson? | select(.message == "SIGTERM: stopping")' | grep info
done
echo "As services all is well."
END
cat >"$machine/etc/systemd/system/rehearsal.service" <<'END'
[Service]
Type=oneshot
Environment=HOME=/root PATH=/usr/local/bin:/usr/sbin:/usr/bin
ExecStart=/bin/sh /root/rehearsal
StandardOutput=file:/root/said
StandardError=inherit
ExecStopPost=/bin/systemctl poweroff --no-block
[Install]
WantedBy=multi-user.target
END
systemctl --root "$machine" --quiet enable rehearsal
unshare --mount timeout 600 systemd-nspawn --quiet --boot --directory "$machine" --private-network \
    --register=no --keep-unit --console=pipe --bind-ro="$kept/wheels:/wheels" >"$kept/boot.log" 2>&1 </dev/null || true
tail -n 20 "$machine/root/said"
tail -n 1 "$machine/root/said" | grep -q "all is well"
