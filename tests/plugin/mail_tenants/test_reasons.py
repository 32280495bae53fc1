"""Microsoft's reason strings, as public tools have seen them and as nobody has yet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.mail_tenants.reasons import COUNTS, read_reason
from plugin.model import Cause

TRACE = "1f0c6a52-8c0e-4b27-9d51-3b7de2a94f10"


def test_spam_reason_gives_its_counts_and_the_message_to_trace() -> None:
    reason = read_reason(
        "OutboundSpamLast24Hours=412;OutboundMailLast24Hours=455;OutboundSpamPercent=90;"
        f"Last Spam Message MessagetraceId:{TRACE}"
    )
    assert reason.cause is Cause.SPAM
    assert reason.counts == {
        "OutboundSpamLast24Hours": 412,
        "OutboundMailLast24Hours": 455,
        "OutboundSpamPercent": 90,
    }
    assert reason.trace_id == TRACE


def test_reason_copied_from_the_audit_log_carries_more_and_is_read_the_same() -> None:
    reason = read_reason(f"OutboundSpamLast24Hours=7;CIP=203.0.113.9;AS:4242;Last Spam Message MessagetraceId:{TRACE}")
    assert (reason.cause, dict(reason.counts), reason.trace_id) == (Cause.SPAM, {"OutboundSpamLast24Hours": 7}, TRACE)


def test_policy_limit_reason_gives_its_counts_and_the_message_to_trace() -> None:
    reason = read_reason(
        "EmailSendingLimitExceeded;InternalRecipientCountToday=214;ExternalRecipientCountToday=1012;"
        f"ExceedingLimitType=External;Last MessagetraceId={TRACE};LastMessageRcptCount=3;"
    )
    assert reason.cause is Cause.POLICY_LIMIT
    assert reason.counts == {
        "InternalRecipientCountToday": 214,
        "ExternalRecipientCountToday": 1012,
        "LastMessageRcptCount": 3,
    }
    assert reason.trace_id == TRACE


def test_recipient_rate_reason_gives_count_and_limit() -> None:
    reason = read_reason("RecipientRateLimitExceeded;RecipientCountLast24Hours=10012;RcptRateLimit=10000")
    assert reason.cause is Cause.RECIPIENT_LIMIT
    assert reason.counts == {"RecipientCountLast24Hours": 10012, "RcptRateLimit": 10000}
    assert reason.trace_id is None


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        ("outboundspamlast24hours : 5", Cause.SPAM),
        (" OutboundSpamPercent = 5 ; x", Cause.SPAM),
        (f"LAST SPAM MESSAGE MESSAGETRACEID={TRACE.upper()}", Cause.SPAM),
        ("ExceedingLimitType=Internal", Cause.POLICY_LIMIT),
        ("OutboundSpamLast24Hours=0;EmailSendingLimitExceeded", Cause.POLICY_LIMIT),
        ("OutboundSpamLast24Hours=0;RecipientRateLimitExceeded", Cause.RECIPIENT_LIMIT),
        ("", Cause.UNKNOWN),
        ("Blocked by an administrator", Cause.UNKNOWN),
        ("Not OutboundSpamLast24Hours at all", Cause.UNKNOWN),
        (f"Last MessagetraceId={TRACE}", Cause.UNKNOWN),
    ],
)
def test_cause_is_read_in_any_spelling_and_not_guessed(raw: str, cause: Cause) -> None:
    assert read_reason(raw).cause is cause


@pytest.mark.parametrize("value", ["", "many", "-1", "1.5", "1,000", "\u0663", "9" * 5000, "90%", "0x10"])
def test_count_that_is_no_plain_number_is_left_to_the_raw_string(value: str) -> None:
    raw = f"OutboundSpamLast24Hours={value}"
    reason = read_reason(raw)
    assert (reason.cause, dict(reason.counts), reason.raw) == (Cause.SPAM, {}, raw)


@pytest.mark.parametrize("value", ["", "none", TRACE[:-1], f"{TRACE}0", f"<{TRACE}>", f"{TRACE}\n{TRACE}"])
def test_trace_id_that_is_none_is_not_given_out_as_one(value: str) -> None:
    assert read_reason(f"Last Spam Message MessagetraceId:{value}").trace_id is None


pieces = st.sampled_from(
    [*COUNTS.values(), "MessagetraceId", "EmailSendingLimitExceeded", TRACE, ";", "=", ":", "1", " ", "\n", "\0"]
)


@given(raw=st.text() | st.lists(pieces | st.text(max_size=3)).map("".join))
def test_any_string_is_a_reason_and_stays_untouched_in_it(raw: str) -> None:
    reason = read_reason(raw)
    assert reason.raw == raw
    assert reason.cause in Cause
    assert set(reason.counts) <= set(COUNTS.values())
    assert all(count >= 0 for count in reason.counts.values())
    assert reason.trace_id is None or (len(reason.trace_id) == 36 and reason.trace_id in raw)
