"""What can go wrong, in types that say whether trying again makes sense.

    PluginError
    ├── SettingsError           the settings, a checklist or a template are wrong; said at start
    ├── DeliveryRefused         a webhook delivery is not taken; carries the HTTP status and what to do
    ├── NotAllowed              an agent's action is refused; the message is for the agent
    ├── StorageError            our own database would not take it; nothing was acknowledged
    └── RemoteError             another system did not do what we asked
        ├── TransientError      trying again later makes sense
        │   ├── Unreachable     nothing was sent: safe to repeat at once
        │   ├── Throttled       asked to wait; `retry_after` says how long
        │   └── OutcomeUnknown  sent, but no clear answer: it may have been done
        └── PermanentError      trying again as it is makes no sense
            ├── NotFound        no such ticket, account or address
            ├── Moved           it is elsewhere; redirects are not followed by themselves
            └── Denied          our credentials or rights do not suffice; somebody must mend the settings

Messages are for the person who reads them: what happened, to which ticket or setting, what to do next; never a secret.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class PluginError(Exception):
    """Root of the tree."""


class SettingsError(PluginError):
    """The program cannot start like this; the message names the place and the remedy."""


class DeliveryRefused(PluginError):
    """A webhook delivery is not taken."""

    def __init__(self, status: int, title: str, detail: str, *, pointer: str | None = None) -> None:
        super().__init__(f"{title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.pointer = pointer  # JSON pointer (RFC 6901) to the offending value, for 422


class NotAllowed(PluginError):
    """An agent may not do this, or not now. The message is shown to the agent."""


class StorageError(PluginError):
    """The database did not commit; the caller must not acknowledge."""


class RemoteError(PluginError):
    """Another system failed. `system` is its name in the settings, `doing` what we asked of it."""

    def __init__(self, system: str, doing: str, message: str, *, status: int | None = None, problem: str = "") -> None:
        super().__init__(f"{system}: {doing}: {message}")
        self.system = system
        self.doing = doing
        self.message = message
        self.status = status  # HTTP status, where there was one
        self.problem = problem  # RFC 9457 problem type, where there was one

    is_partly_done = False  # an earlier request of the same write was done; see `partly_done`

    @property
    def was_surely_not_done(self) -> bool:
        """Whether a write that ended like this has surely changed nothing over there."""
        return self._nothing_was_done() and not self.is_partly_done

    def _nothing_was_done(self) -> bool:
        """Whether the one request that failed has surely changed nothing (`plugin.http.Remote.call`)."""
        return False


class TransientError(RemoteError):
    """Trying again later makes sense."""

    retry_after: float | None = None  # seconds


class Unreachable(TransientError):
    """No connection; nothing was sent."""

    def _nothing_was_done(self) -> bool:
        """Yes."""
        return True


class Throttled(TransientError):
    """429 or 503: the system asked us to wait."""

    def __init__(
        self, system: str, doing: str, message: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(system, doing, message, status=status)
        self.retry_after = retry_after

    def _nothing_was_done(self) -> bool:
        """After 429; a gateway may say 503 after the work was done."""
        return self.status == 429


class OutcomeUnknown(TransientError):
    """The request went out and no clear answer came back: a write may have been done."""


class PermanentError(RemoteError):
    """The same request will fail again."""

    def _nothing_was_done(self) -> bool:
        """Unless it was answered as done, but not in a way that can be read."""
        return self.status is None or self.status >= 300


class NotFound(PermanentError):
    """No such thing there."""


class Moved(PermanentError):
    """301, 302, 307 or 308: nothing was done here. `location` is where it says to go; look at it before you follow."""

    def __init__(self, system: str, doing: str, message: str, *, status: int, location: str) -> None:
        super().__init__(system, doing, message, status=status)
        self.location = location


class Denied(PermanentError):
    """401 or 403: the token or its rights are wrong."""


@contextmanager
def partly_done() -> Iterator[None]:
    """For the rest of a write after its first request was done: what fails in here is no failure to do anything."""
    try:
        yield
    except RemoteError as error:
        error.is_partly_done = True
        raise
