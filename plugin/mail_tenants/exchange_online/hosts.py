"""Which addresses may be handed our token: the one in the settings, and https on hosts that are surely Microsoft's.

Exchange may send a request on to a regional host, and names the addresses of further pages itself.
"""

from collections.abc import Callable, Sequence
from urllib.parse import urljoin

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from plugin.errors import PermanentError
from plugin.mail_tenants.exchange_online.sign_in import SignedIn

PORTS = (None, 443, 446)  # some redirects name 446, which answers Microsoft's own machines only


class Hosts:
    """Signed-in connections: the home, and others as they are named. `connect` makes one for an origin."""

    def __init__(self, url: str, connect: Callable[[str], SignedIn], trusted: Sequence[str]) -> None:
        """`url` is the home; `trusted` are host names that may also be sent to, with everything under them."""
        self.home = connect(url)
        self._connect = connect
        self._trusted = tuple(trusted)
        self._others: dict[str, SignedIn] = {}

    def at(self, url: str) -> SignedIn:
        """The connection for an address that is the home's or came from `allowed`."""
        if self.home.remote.is_ours(url):
            return self.home
        origin = f"https://{parse_url(url).host}"
        if origin not in self._others:
            self._others[origin] = self._connect(origin)
        return self._others[origin]

    def allowed(self, doing: str, url: str, *, seen_at: str) -> str:
        """The address that an answer from `seen_at` names, if it may be handed our token; else `PermanentError`."""
        whole = _joined(seen_at, url)
        if self.home.remote.is_ours(whole):
            return whole
        parts = _parsed(whole)
        host = (parts.host or "").lower()
        is_trusted = any(host == known or host.endswith(f".{known}") for known in self._trusted)
        if parts.scheme != "https" or parts.auth is not None or parts.port not in PORTS or not is_trusted:
            why = f"sent on to {host or 'no host'}, which exchange_hosts does not allow: not followed"
            raise PermanentError(self.home.remote.system, doing, why)
        return parts._replace(port=None).url


def _joined(seen_at: str, url: str) -> str:
    try:
        return urljoin(seen_at, url)
    except ValueError:  # it is no address
        return ""


def _parsed(url: str) -> Url:
    """By the parser that also makes the connection: two parsers could be told two hosts."""
    try:
        return parse_url(url)
    except LocationParseError:
        return Url()
