"""Whose turn it is to compute among threads that make many short calls of the system.

Each such call lets the interpreter's lock go for some microseconds. Where another thread waits for
that lock, it is woken on another core each time, nearly always in vain; that costs more than the
call. A thread that waits for its turn here is left asleep until all of the work is done. It is not
for what waits for a disk.
"""

import threading

COMPUTING = threading.Lock()
"""Held over a batch of many small files, of whatever download: a process has one interpreter."""
