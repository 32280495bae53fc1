"""What the panel says of each state: the next step, what came of it, where to turn."""

from plugin.model import CaseState

MOVING = frozenset({CaseState.RECEIVED, CaseState.UNBLOCKING})
"""States that change by themselves within moments."""

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

# Where a note says what to do next too, it says it in these words.
STEPS = {
    CaseState.RECEIVED: "Wait. The account is being read, and this page follows by itself. Refresh reads it now.",
    CaseState.NEEDS_PERSON: "Look at the ticket and decide; the program does not guess.",
    CaseState.NOT_BLOCKED: (
        "Do not unblock anything: look for another cause of the bounce, such as the recipient's address or mailbox."
    ),
    CaseState.SENDING_LIMIT: (
        "Ask the customer whether they sent that much on purpose. If not, treat the account as broken into and tell "
        "Security. If they did: wait. A limit ends by itself within 24 hours once the sending stops. For many "
        "recipients: a distribution list or the mass email service."
    ),
    CaseState.TENANT_BLOCKED: (
        "Tell the Office 365 team now, with the words of the bounce. They open a case with Microsoft Support; nobody "
        "here can lift it."
    ),
    CaseState.REFER_TO_SECURITY: "Do not re-enable the sign-in, and do not unblock. Refer the customer to Security.",
    CaseState.BULK_SENDER: (
        "Do not unblock. Send the customer the reply below: a distribution list or the mass email service is the way."
    ),
    CaseState.READY: "Press Unblock.",
    CaseState.UNBLOCKING: "Wait. Microsoft is being asked and watched, and this page follows by itself.",
    CaseState.UNBLOCKED: "Tell the customer that mail may take up to 24 hours to go out again. Do not escalate before.",
    CaseState.STILL_BLOCKED: (
        "Refresh. Microsoft took the request but still lists the address; asking once more is for you to decide."
    ),
    CaseState.OUTCOME_UNKNOWN: (
        "Look at the account at Microsoft before anything else: nobody knows whether the request arrived, so the "
        "program does not repeat it. Asking once more is for you to decide."
    ),
    CaseState.REFUSED: "Take the answer to the Office 365 team. Once they have mended it, press Unblock again.",
    CaseState.CLOSED: "Nothing more to do.",
    CaseState.OVERDUE: "Escalate to the Office 365 team now, with the evidence in the note on this ticket.",
}

LIMIT_REACHED = (
    "This account was unblocked too often. Only Microsoft Support can release it now: hand the ticket to the Office "
    "365 team, who open a case there."
)
"""The next step where Microsoft refused for that reason (Remove-BlockedSenderAddress: past a limit, which is not
published, only Microsoft Support releases)."""

OUTCOMES = {
    CaseState.UNBLOCKING: "Microsoft is being asked, and watched until each address reads “Not Blocked”.",
    CaseState.UNBLOCKED: "Released: every address reads “Not Blocked”.",
    CaseState.STILL_BLOCKED: "Asked, and still listed after the whole watch.",
    CaseState.OUTCOME_UNKNOWN: "Asked, and nobody knows what came of it.",
    CaseState.REFUSED: "Microsoft's side refused.",
    CaseState.CLOSED: "Released, and nobody has said since that mail still fails.",
    CaseState.OVERDUE: "The 24 hours are over, and mail still fails or the account is still listed.",
    CaseState.BULK_SENDER: "No unblock: this customer mails many recipients on purpose.",
}
"""What came of it, for states with a result."""

LINKS = {
    "distribution_lists": "Distribution lists",
    "mass_email": "Mass email service",
    "sign_in_tool": "Tool for sign-ins",
    "security_team": "Reach Security",
    "office365_team": "Office 365 team",
    "microsoft_support": "Microsoft Support",
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
