"""What keeps other sites' web pages out, whoever's browser they run in; pure.

Host is checked on every bind: a web page can only reach a peer under a DNS name that it
rebinds, so requests name an IP literal, `localhost` or a configured name. Whoever changes
state or reads the API must not be another site's page: Origin is absent or ours,
Sec-Fetch-Site says same-origin or none.
"""

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from panal.errors import Refused, UsageError, WrongHost

if TYPE_CHECKING:
    from multidict import MultiMapping

_HOST = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::[0-9]*)?")
_NOT_OURS = "Other sites' pages may not use this peer."


def check_host(values: list[str], allowed_hosts: frozenset[str]) -> None:
    """WrongHost unless the one Host is a literal, `localhost` or an allowed name."""
    if len(values) != 1:
        raise UsageError("A request has exactly one Host.")
    if not is_host_allowed(values[0], allowed_hosts):
        raise WrongHost(
            "This peer answers under its IP address and as localhost, not under other names."
        )


@lru_cache(maxsize=256)
def is_host_allowed(value: str, allowed_hosts: frozenset[str]) -> bool:
    """Whether a Host is a literal, `localhost` or an allowed name.

    That is all that a request has to show which has none of the fields that browsers send.
    """
    matched = _HOST.fullmatch(value)
    host = "" if matched is None else matched[1].lower()
    if host == "localhost" or host in {allowed.lower() for allowed in allowed_hosts}:
        return True
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def check_page(headers: "MultiMapping[str]", host: str, *, may_be_a_link: bool) -> None:
    """Refused for another site's page, and where it is not said once where a page is from.

    `may_be_a_link`: somebody may follow a link from another site to here, as long as what
    answers becomes a page of its own.
    """
    if any(len(headers.getall(name, [])) > 1 for name in ("Origin", "Sec-Fetch-Site")):
        raise Refused(_NOT_OURS)
    origin = headers.get("Origin")
    if origin is not None and origin not in {f"http://{host}", f"https://{host}"}:
        raise Refused(_NOT_OURS)
    if headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"}:
        return
    if not (may_be_a_link and headers.get("Sec-Fetch-Dest") == "document"):
        raise Refused(_NOT_OURS)
