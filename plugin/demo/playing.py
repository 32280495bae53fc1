"""The demo as a whole: sets the stage, has the story told, and shows visitors how to play it by hand."""

import signal
import sys
import time
from pathlib import Path

import requests

from plugin.demo.agent import AgentAtDesk
from plugin.demo.folders import a_folder
from plugin.demo.serving import PortTaken
from plugin.demo.stage import Stage
from plugin.demo.story import StepMissing, Storyteller, checks_by_themselves, main_job, other_roads
from plugin.demo.tenant.world import Account

PORT = 8800
COMPLAINT = "My mail comes back: 550 5.1.8 Access denied, bad outbound sender AS(42004)"
"""What a visitor may paste into a new ticket."""
COUNTS = {3: "three", 4: "four"}
BETWEEN = {3: "a demo desk and a demo account-admin site", 4: "a demo desk and a demo of Microsoft 365"}
INTERRUPTED = 130  # as shells report it


def play(*, once: bool, port: int | None, tenant: str = "account_admin", place: Path = Path(".demo")) -> int:
    """Set the stage, tell the story; the process's exit status.

    The plugin takes `port`, desk and tenant the next two; without one they begin at 8800, or where they are free if
    the story is played `once` and nobody looks on. `tenant` is whom the plugin asks: with exchange_online a demo of
    Microsoft 365 takes one port more.
    """
    count = 4 if tenant == "exchange_online" else 3
    for ending in (signal.SIGTERM, signal.SIGHUP):  # like Ctrl-C: the stage is cleared, nothing is left running
        signal.signal(ending, signal.default_int_handler)
    first = port or (0 if once else PORT)
    ports = tuple(first + offset if first else 0 for offset in range(count))
    try:
        with a_folder(place) as folder, Stage(folder, ports) as stage:
            return _tell(stage, once=once, between=BETWEEN[count])
    except PortTaken as error:
        return _failed(
            f"{error}.\nThe demo takes {COUNTS[count]} ports in a row; name the first of {COUNTS[count]} free ones:"
            "  make demo PORT=9000"
        )
    except (RuntimeError, OSError) as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        print("\nEnded before the story was over.", file=sys.stderr)
        return INTERRUPTED


def _failed(why: str) -> int:
    print(f"m365-unblock demo: {why}", file=sys.stderr, flush=True)
    return 1


def _tell(stage: Stage, *, once: bool, between: str) -> int:
    teller = Storyteller(stage)
    if not once:
        print(f"The plugin runs between {between}. Look on while the story is played:")
        show_doors(stage)
    try:
        alex = AgentAtDesk(stage.desk_url, stage.people["alex"].key)
        main_job(teller, alex)
        checks_by_themselves(teller, alex, stage)
        other_roads(teller, alex)
    except (StepMissing, LookupError, requests.RequestException) as error:
        print(f"\n  ✗ {error}", file=sys.stderr, flush=True)
        return 1
    teller.chapter("The story is over: every step happened")
    return 0 if once else stay(stage)


def show_doors(stage: Stage) -> None:
    """Addresses to open in a browser."""
    for login, person in stage.people.items():
        print(f"  {person.name:18} {stage.new_sign_in_link(login)}")
    print(f"  {'the admin site':18} {stage.new_admin_link()}")
    print(f"  {'as a customer':18} {stage.desk_url}/portal")
    print("Each link with a key signs in once.", flush=True)


def stay(stage: Stage) -> int:
    """Leave everything running for a visitor, until Ctrl-C; the process's exit status."""
    print(f"\nNow play it by hand. File a ticket at {stage.desk_url}/portal in one of these names, with this text:\n")
    print(f"  {COMPLAINT}\n")
    for account in stage.blocked_accounts():
        print(f"  {account.display_name:18} {account.addresses[0]:28} {_twist(account)}".rstrip())
    print("\nThen open it as Alex: within seconds there are a note and the panel. Fresh links:")
    show_doors(stage)
    print(f"\nThe plugin's log is {stage.log}. Ctrl-C ends everything.", flush=True)
    try:
        while stage.is_plugin_running():
            time.sleep(1)
    except KeyboardInterrupt:
        print("\nGood-bye.")
        return 0
    return _failed(f"the plugin ended by itself; its log, {stage.log}, ends with:\n{stage.end_of_log()}")


def _twist(account: Account) -> str:
    """What makes this one more than a plain block."""
    if account.sign_in == "disabled":
        return f"sign-in disabled: {account.sign_in_reason}"
    if account.sign_in == "unknown":
        return "nobody can tell whether the sign-in is disabled"
    return "" if account.unblocks_left else "Microsoft refuses to unblock it once more"
