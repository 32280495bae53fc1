"""What the panel says of each state: the next step, what came of it, where to turn."""

from flask_babel import lazy_gettext as _

from plugin.model import CaseState, Cause, Sending, SignIn

NAMES = {
    CaseState.RECEIVED: _("Received"),
    CaseState.NEEDS_PERSON: _("Needs a person"),
    CaseState.NOT_BLOCKED: _("Not blocked"),
    CaseState.SENDING_LIMIT: _("Sending limit"),
    CaseState.TENANT_BLOCKED: _("Tenant blocked"),
    CaseState.REFER_TO_SECURITY: _("Refer to Security"),
    CaseState.BULK_SENDER: _("Bulk sender"),
    CaseState.CHECKLIST_OPEN: _("Checklist open"),
    CaseState.READY: _("Ready"),
    CaseState.UNBLOCKING: _("Unblocking"),
    CaseState.UNBLOCKED: _("Unblocked"),
    CaseState.STILL_BLOCKED: _("Still blocked"),
    CaseState.OUTCOME_UNKNOWN: _("Asked, outcome unknown"),
    CaseState.REFUSED: _("Refused"),
    CaseState.CLOSED: _("Closed"),
    CaseState.OVERDUE: _("Overdue"),
}
"""What each state is called. In English it is the state's own value, by which refusals look it up too."""

SENDING = {
    Sending.BLOCKED: _("Blocked"),
    Sending.NOT_BLOCKED: _("Not Blocked"),
    Sending.UNKNOWN: _("Unknown"),
}

OFF_THE_LIST = SENDING[Sending.NOT_BLOCKED]
"""What an address reads once it was released."""

SIGN_IN = {
    SignIn.ENABLED: _("Enabled"),
    SignIn.DISABLED: _("Disabled"),
    SignIn.UNKNOWN: _("Unknown"),
}

CAUSES = {
    Cause.SPAM: _("Outbound spam"),
    Cause.POLICY_LIMIT: _("Sending limit of the organisation's policy"),
    Cause.RECIPIENT_LIMIT: _("Recipient rate limit"),
    Cause.UNKNOWN: _("No reason given"),
}

MOVING = frozenset({CaseState.RECEIVED, CaseState.UNBLOCKING})
"""States that change by themselves within moments."""

WORKED_ON = frozenset(
    {
        CaseState.CHECKLIST_OPEN,
        CaseState.READY,
        CaseState.BULK_SENDER,
        CaseState.STILL_BLOCKED,
        CaseState.OUTCOME_UNKNOWN,
        CaseState.REFUSED,
    }
)
"""States in which two agents may be at work at once, who see each other's answers."""

WITH_UNBLOCK = frozenset(
    {
        CaseState.CHECKLIST_OPEN,
        CaseState.READY,
        CaseState.STILL_BLOCKED,
        CaseState.OUTCOME_UNKNOWN,
        CaseState.REFUSED,
    }
)
"""States in which the page has an Unblock button; whether it is open is the gate's business."""

TONES = {
    CaseState.RECEIVED: "wait",
    CaseState.NEEDS_PERSON: "todo",
    CaseState.NOT_BLOCKED: "good",
    CaseState.SENDING_LIMIT: "todo",
    CaseState.TENANT_BLOCKED: "stop",
    CaseState.REFER_TO_SECURITY: "stop",
    CaseState.BULK_SENDER: "todo",
    CaseState.CHECKLIST_OPEN: "todo",
    CaseState.READY: "wait",
    CaseState.UNBLOCKING: "wait",
    CaseState.UNBLOCKED: "good",
    CaseState.STILL_BLOCKED: "stop",
    CaseState.OUTCOME_UNKNOWN: "stop",
    CaseState.REFUSED: "stop",
    CaseState.CLOSED: "good",
    CaseState.OVERDUE: "stop",
}
"""How a state looks; its words say the same without colour."""

LOOKS = {
    "VERIFIED": _("Verified."),
    "NOT_SO": _("Not so."),
    "LISTED": _("Go through these with the customer."),
    "NOT_LOOKED": _("Could not check."),
    "NONE": _("Not checked yet."),
}
"""What a look at an account came to, by the name of its verdict."""

LOOK_TONES = {"VERIFIED": "good", "NOT_SO": "stop", "LISTED": "todo", "NOT_LOOKED": "todo", "NONE": "wait"}

# Where a note says what to do next too, it says it in these words.
STEPS = {
    CaseState.RECEIVED: _("Wait. The account is being read, and this page follows by itself. Refresh reads it now."),
    CaseState.NEEDS_PERSON: _("Look at the ticket and decide; the program does not guess."),
    CaseState.NOT_BLOCKED: _(
        "Do not unblock anything: look for another cause of the bounce, such as the recipient's address or mailbox."
    ),
    CaseState.SENDING_LIMIT: _(
        "Ask the customer whether they sent that much on purpose. If not, treat the account as broken into and tell "
        "Security. If they did: wait. A limit ends by itself within 24 hours once the sending stops. For many "
        "recipients: a distribution list or the mass email service."
    ),
    CaseState.TENANT_BLOCKED: _(
        "Tell the Office 365 team now, with the words of the bounce. They open a case with Microsoft Support; nobody "
        "here can lift it."
    ),
    CaseState.REFER_TO_SECURITY: _("Do not re-enable the sign-in, and do not unblock. Refer the customer to Security."),
    CaseState.BULK_SENDER: _(
        "Do not unblock. Send the customer the reply below: a distribution list or the mass email service is the way."
    ),
    CaseState.READY: _("Press Unblock."),
    CaseState.UNBLOCKING: _("Wait. Microsoft is being asked and watched, and this page follows by itself."),
    CaseState.UNBLOCKED: _(
        "Tell the customer that mail may take up to 24 hours to go out again. Do not escalate before."
    ),
    CaseState.STILL_BLOCKED: _(
        "Refresh. Microsoft took the request but still lists the address; asking once more is for you to decide."
    ),
    CaseState.OUTCOME_UNKNOWN: _(
        "Look at the account at Microsoft before anything else: nobody knows whether the request arrived, so the "
        "program does not repeat it. Asking once more is for you to decide."
    ),
    CaseState.REFUSED: _("Take the answer to the Office 365 team. Once they have mended it, press Unblock again."),
    CaseState.CLOSED: _("Nothing more to do."),
    CaseState.OVERDUE: _("Escalate to the Office 365 team now: the button below puts the evidence on the ticket."),
}

LIMIT_REACHED = _(
    "This account was unblocked too often. Only Microsoft Support can release it now: hand the ticket to the Office "
    "365 team, who open a case there."
)
"""The next step where Microsoft refused for that reason (Remove-BlockedSenderAddress: past a limit, which is not
published, only Microsoft Support releases)."""

WITH_OFFICE365 = _("It is with the Office 365 team now. Wait for their answer.")
TOO_EARLY = _("Ask the customer to wait until the hour below, and to try again then. Do not escalate before.")
READ_AGAIN = _("Wait. The 24 hours are over, and the account is being read again; then it can be escalated.")
"""Next steps after the customer was heard, or an escalation."""

OUTCOMES = {
    CaseState.UNBLOCKING: _("Microsoft is being asked, and watched until each address reads “Not Blocked”."),
    CaseState.UNBLOCKED: _("Released: every address reads “Not Blocked”."),
    CaseState.STILL_BLOCKED: _("Asked, and still listed after the whole watch."),
    CaseState.OUTCOME_UNKNOWN: _("Asked, and nobody knows what came of it."),
    CaseState.REFUSED: _("Microsoft's side refused."),
    CaseState.CLOSED: _("Released, and nobody has said since that mail still fails."),
    CaseState.OVERDUE: _("The 24 hours are over, and mail still fails or the account is still listed."),
    CaseState.BULK_SENDER: _("No unblock: this customer mails many recipients on purpose."),
}
"""What came of it, for states with a result."""

LINKS = {
    "distribution_lists": _("Distribution lists"),
    "mass_email": _("Mass email service"),
    "sign_in_tool": _("Tool for sign-ins"),
    "security_team": _("Reach Security"),
    "office365_team": _("Office 365 team"),
    "microsoft_support": _("Microsoft Support"),
}
"""What each link of the settings is called."""

LINKS_OF = {
    CaseState.SENDING_LIMIT: ("security_team", "distribution_lists", "mass_email"),
    CaseState.TENANT_BLOCKED: ("microsoft_support", "office365_team"),
    CaseState.REFER_TO_SECURITY: ("security_team",),
    CaseState.BULK_SENDER: ("distribution_lists", "mass_email"),
    CaseState.STILL_BLOCKED: ("office365_team",),
    CaseState.OUTCOME_UNKNOWN: ("office365_team",),
    CaseState.REFUSED: ("microsoft_support", "office365_team"),
    CaseState.OVERDUE: ("office365_team",),
}
