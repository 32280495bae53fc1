"""Which HTML of a note reaches the page."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.demo.desk.sanitiser import sanitise


@pytest.mark.parametrize(
    "html",
    [
        "<p>Sending Status: <strong>Blocked</strong></p>",
        "<ul><li>one</li><li>two</li></ul>",
        '<table><tr><th scope="row">a</th><td>b</td></tr></table>',
        '<time datetime="2026-03-02T09:00:00Z">9:00</time>',
        "a<br>b &amp; c &lt; d",
    ],
)
def test_plain_markup_stays_as_it_is(html):
    assert sanitise(html) == html


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<script>alert(1)</script>after", "after"),
        ("<style>p{}</style><svg><script>x</script></svg>after", "after"),
        ("<iframe src=https://evil.example></iframe>after", "after"),
        ("<script>never closed", ""),
        ('<p onclick="x()" style="position:fixed" class="c" id="main">text</p>', "<p>text</p>"),
        ("<img src=x onerror=alert(1)>text", "text"),
        ("<form action=/sign-out><button>Go</button></form>", "Go"),
        ("<!-- --><p>text</p>", "<p>text</p>"),
        ("<h1>Title</h1>", "<h4>Title</h4>"),
        ("&lt;script&gt;", "&lt;script&gt;"),
        ("<<b>x", "&lt;<b>x</b>"),
    ],
)
def test_everything_else_is_left_out_or_escaped(html, shown):
    assert sanitise(html) == shown


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        " javascript:alert(1)",
        "&#106;avascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/sign-out",
        "file:///etc/passwd",
    ],
)
def test_only_web_links_lead_anywhere(address):
    assert sanitise(f'<a href="{address}">x</a>') == "<a>x</a>"


def test_a_web_link_opens_elsewhere_and_tells_nothing():
    link = sanitise('<a href="https://example.edu/?a=1&amp;b=2" target="_top">x</a>')
    assert link == '<a href="https://example.edu/?a=1&amp;b=2" rel="noopener noreferrer nofollow" target="_blank">x</a>'


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<div><p>open", "<div><p>open</p></div>"),
        ("</div></main>text", "text"),
        ("<b><i>x</b>y</i>", "<b><i>x</i></b>y"),
    ],
)
def test_a_note_cannot_close_or_leave_open_anything_of_the_page(html, shown):
    assert sanitise(html) == shown


PIECES = ["<", ">", '"', "'", "/", "=", "&", ";", "!", "-", " ", "\n", "<p", "</p>", "<script", "</script>", "<a href="]
PIECES += ["javascript:", "https://x", "onload=", "<svg", "<![CDATA[", "<!--", "-->", "<?", "&#60;", "<title>", "x"]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_no_mixture_gets_a_script_or_an_attribute_through(html):
    shown = sanitise(html)
    for tag in re.findall(r"<[^>]*>", shown):
        assert re.fullmatch(
            r'</?(p|a)>|<a href="https://[^"<>\s]*" rel="noopener noreferrer nofollow" target="_blank">', tag
        ), tag
    assert shown.count("<p>") == shown.count("</p>")
