"""The peer: shares a folder in place, takes uploads, downloads, and serves what it has."""
