"""A note's HTML as django-helpdesk keeps it; that Markdown shows it as it stands there is in tests/real."""

import pytest

from webhooks.django_helpdesk.app.helpdesk_m365_unblock.text import markdown, plain


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<p><strong>Blocked</strong></p>\n<p>Next<br>line</p>", "**Blocked**\n\nNext\nline"),
        ("<p>Do:</p><ul>\n<li>one<br>more</li>\n<li>two</li></ul><p>End</p>", "Do:\n\n- one\n  more\n- two\n\nEnd"),
        ('<a href="https://a.example/x(1)">go</a>', "[go](https://a.example/x%281%29)"),
        ('<a href="javascript:alert(1)">go</a>', "go"),
        ('<a href="https://a.example/ &lt;b&gt;">go</a>', "[go](https://a.example/%20%3Cb%3E)"),
        ("<p>a_b@example.edu *x* [y](z) `k`</p>", "a\\_b@example.edu \\*x\\* \\[y\\](z) \\`k\\`"),
        ("<p>&lt;script&gt; &amp;lt; AT&amp;T</p>", "&lt;script> &amp;lt; AT&T"),
        ("<p># h</p><p>1. x</p><p>- y</p><p>===</p><p>~~~</p>", "\\# h\n\n1\\. x\n\n\\- y\n\n&#61;==\n\n&#126;~~"),
        ("<p>one\n\n   two</p>", "one two"),
        ("", ""),
    ],
)
def test_note_becomes_markdown_in_which_its_words_stay_words(html: str, shown: str) -> None:
    assert markdown(html) == shown


def test_reply_becomes_plain_text() -> None:
    assert plain("<p>Hello,</p>\n<p>a_b &amp; *c*<br>&lt;d&gt;</p>") == "Hello,\n\na_b & *c*\n<d>"
