"""libtorrent as one peer of one torrent: `python -m benchmarks.torrent PORT PATH TORRENT`.

Says READY once PATH is checked, or at once where there is none; then reads lines:
`connect ADDRESS:PORT …` joins. DONE is said when everything is there and in its files.

Defaults, but: no DHT, local discovery, port mapping or uTP, none of which these hosts need;
and several connections from one address, which the runs on loopback need.
"""

import sys
import threading
from pathlib import Path

import libtorrent as lt


def session(port: int) -> lt.session:
    """A session that listens on every address."""
    return lt.session(
        {
            "listen_interfaces": f"0.0.0.0:{port}",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_incoming_utp": False,
            "enable_outgoing_utp": False,
            "allow_multiple_connections_per_ip": True,
            "alert_mask": lt.alert.category_t.status_notification
            | lt.alert.category_t.storage_notification,
        }
    )


def make_torrent(path: Path, torrent: Path) -> None:
    """Write the metainfo of a file or folder; libtorrent chooses the piece size."""
    files = lt.list_files(str(path))
    made = lt.create_torrent(files)
    lt.set_piece_hashes(made, str(path.parent))
    torrent.write_bytes(lt.bencode(made.generate()))


def main() -> None:
    """Run until told to stop."""
    port, path, torrent = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    if port == 0:
        make_torrent(path, torrent)
        return
    here = session(port)
    wanted = lt.add_torrent_params()
    wanted.ti = lt.torrent_info(str(torrent))
    wanted.save_path = str(path.parent)
    wanted.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    is_seed = path.exists()
    handle = here.add_torrent(wanted)
    watch = threading.Thread(target=_watch, args=(here, handle, is_seed), daemon=True)
    watch.start()
    for line in sys.stdin:
        for address in line.split()[1:]:
            host, _, number = address.partition(":")
            handle.connect_peer((host, int(number)))


def _watch(here: lt.session, handle: lt.torrent_handle, is_seed: bool) -> None:
    ready = {lt.torrent_status.seeding}
    if not is_seed:
        ready.add(lt.torrent_status.downloading)
    while handle.status().state not in ready:
        here.wait_for_alert(50)
        here.pop_alerts()
    print("READY", flush=True)
    while not handle.status().is_seeding:
        here.wait_for_alert(200)
        here.pop_alerts()
    handle.flush_cache()  # the last pieces may be checked, but not in the files yet
    while not any(isinstance(alert, lt.cache_flushed_alert) for alert in here.pop_alerts()):
        here.wait_for_alert(200)
    print("DONE", flush=True)


if __name__ == "__main__":
    main()
