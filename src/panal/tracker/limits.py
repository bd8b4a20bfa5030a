"""What a tracker's port takes at most: every limit on connections and calls, in one table.

docs/SECURITY.md has the same table; a test compares the two.
"""

CALLS_AT_ONCE = 1_000
"""In all; whoever comes then is told to come again."""
CALLS_PER_ADDRESS = 100
"""At once from one address, an IPv6 /64 counting as one; loopback has no limit of its own."""
STREAMS_PER_CONNECTION = 100
DESCRIPTORS_KEPT_PART = 4
"""Of the descriptors that this process may have, a part is for no connection: for its files, and
for calling peers back."""
HANDSHAKE_S = 10.0
"""From a connection to the end of its handshakes, of TLS and of HTTP/2."""
MESSAGE_S = 10.0
"""From a call until its message is whole: gRPC itself would wait as long as the caller likes."""
DEADLINE_S = 10.0
"""For answering, where the caller named no time."""
WATCHES_AT_ONCE = 500
"""Of the calls at once: those that watch leave room for those that ask."""
WATCHES_PER_ADDRESS = 20
WATCH_S = 600.0
"""Then one watches anew, so that each has its turn."""
WATCH_GATHER_S = 0.2
"""From the first news until it is told, with what has come besides."""
ANNOUNCE_PAUSE_S = 60.0
"""Between two messages of an announcement."""
ANNOUNCES_AT_ONCE = 16
"""Messages of announcements that are decoded and not yet recorded; further ones wait."""
ANNOUNCES_WAITING_BYTES = 256 * 1024 * 1024
"""Of messages that wait so, a peer's usual one having some 150 KB."""
IDLE_S = 60.0
"""Without a call; a peer renews every 20 s."""
PING_AFTER_S = 60.0
"""Of silence, to find out whether the other end is still there."""
PINGS_FROM_S = 9.0
"""Whoever pings more often is ended. A peer may ask every 10 s whether the tracker is there."""
MESSAGE_BYTES = 4 * 1024 * 1024
METADATA_BYTES = 16 * 1024
