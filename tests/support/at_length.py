"""Whether tests try all that they could: `PANAL_AT_LENGTH=1 pytest …`, which takes minutes."""

import os

AT_LENGTH = bool(os.environ.get("PANAL_AT_LENGTH"))
