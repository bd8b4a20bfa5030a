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
ANNOUNCE_PAUSE_S = 60.0
"""Between two messages of an announcement."""
IDLE_S = 60.0
"""Without a call; a peer renews every 20 s."""
PING_AFTER_S = 60.0
"""Of silence, to find out whether the other end is still there."""
PINGS_FROM_S = 9.0
"""Whoever pings more often is ended. A peer may ask every 10 s whether the tracker is there."""
MESSAGE_BYTES = 4 * 1024 * 1024
METADATA_BYTES = 16 * 1024
