"""What the examples' pages must make of a model's Markdown: nothing runs, nothing is loaded, links lead to the web."""

from dataclasses import dataclass

from tests.ai_sdk import Json

LINK = "https://a.example/b"


@dataclass(frozen=True)
class Case:
    """An answer; the text that is shown, without blanks; where its links lead; and a selector of what must be there."""

    markdown: str
    shown: str
    links: tuple[str, ...] = ()
    has: str = "*"


CASES = [
    Case("**bold** *em* `code` ~~gone~~", "bold em code gone", has="strong + em + code + del"),
    Case("# One\n\n## Two", "One Two", has="h1 + h2"),
    Case("- a\n  - b\n\n1. c", "a b c", has="ul li ul li"),
    Case("- [x] done\n- [ ] open", "done open", has="input[type=checkbox][disabled]"),
    Case("| 製品 | 売上 |\n| --- | ---: |\n| 傘 | 12 |", "製品 売上 傘 12", has="[tabindex='0'] > table td"),
    Case("```js\n<b>1</b>\n```", "<b>1</b>", has="pre code"),
    Case(f"[a]({LINK}) <{LINK}> {LINK} [r][1]\n\n[1]: {LINK}", f"a {LINK} {LINK} r", (LINK,) * 4),
    Case("[m](mailto:a@b.example)", "m", ("mailto:a@b.example",)),
    Case("これは**「太字」**です。**強調。**終わり", "これは「太字」です。強調。終わり", has="strong + strong"),
    # addresses that are none of the web
    Case("[x](javascript:alert(1))", "x"),
    Case("[x](JaVaScRiPt:alert(1)) [y](<java\tscript:alert(1)>) [z](<\x01javascript:alert(1)>)", "x y z"),
    Case("[x](&#106;avascript:alert(1)) [y](vbscript:x) [z](data:text/html,<script>alert(1)</script>)", "x y z"),
    Case("[x](file:///etc/passwd) [y](//evil.example) [z](/api/runs) [w](irc://a.example)", "x y z w"),
    Case("[r][1]\n\n[1]: javascript:alert(1)", "r"),
    Case("<javascript:alert(1)>", "javascript:alert(1)"),
    # pictures
    Case("![p](https://evil.example/p.png)", "p", ("https://evil.example/p.png",)),
    Case("![](https://evil.example/p.png)", "https://evil.example/p.png", ("https://evil.example/p.png",)),
    Case("![p][1]\n\n[1]: https://evil.example/p.png", "p", ("https://evil.example/p.png",)),
    Case(f"[![p](https://evil.example/p.png)]({LINK})", "p", (LINK,)),
    Case(f"[a **![p](https://evil.example/p.png)**]({LINK})", "a p", (LINK,), "a strong"),
    Case("![p](data:image/png;base64,AA==) ![q](javascript:alert(1)) ![r](/logo.png)", "p q r"),
    Case('![a"b<c>](https://evil.example/"onerror="x)', 'a"b<c>', ("https://evil.example/%22onerror=%22x",)),
    # HTML is text
    Case('<img src="https://evil.example/i.png">', '<img src="https://evil.example/i.png">'),
    Case("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
    Case("a <b>b</b> <br> c", "a <b>b</b> <br> c"),
    Case("<div onclick=alert(1)>\n\n*x*\n\n</div>", "<div onclick=alert(1)> x </div>", has="em"),
    Case("<script>alert(1)</script>", "<script>alert(1)</script>"),
    Case("<style>body{display:none}</style>", "<style>body{display:none}</style>"),
    Case(
        "<svg><a xlink:href='javascript:alert(1)'>x</a></svg>", "<svg><a xlink:href='javascript:alert(1)'>x</a></svg>"
    ),
    Case("<!-- c --> <math><mi>x", "<!-- c --> <math><mi>x"),
    Case("&lt;img src=x&gt; &amp;lt;", "<img src=x> &lt;"),
    Case("`<img src=x>`", "<img src=x>", has="code"),
    Case(
        '[<img src=x onerror=alert(1)>](https://a.example/b "t\\"><img src=x>")',
        "<img src=x onerror=alert(1)>",
        (LINK,),
    ),
    # what no reader means
    Case("> " * 3_000 + "x", ("> " * 3_000 + "x"), has=".text, .plain"),
    Case("- " * 3_000 + "x", ("- " * 3_000 + "x"), has=".text, .plain"),
    Case("[" * 2_000, "[" * 2_000),
    Case("constructor __proto__", "constructor proto", has="strong"),
]

WHOLE = f"""# One **two** `three`

| a | b |
| --- | :-: |
| [l]({LINK} "t") | ![p](https://evil.example/p.png) |

- [x] *em* <b onclick="alert(1)">raw</b>
  > quote[^1] [r][1] **b*i*

```html
<img src="https://evil.example/q.png" onerror="alert(1)">
```
[^1]: note
[1]: javascript:alert(1)
"""
PREFIXES = [WHOLE[:end] for end in range(1, len(WHOLE) + 1)]
"""An answer as it arrives, half finished in every way."""

FAULTS = """() => [...document.querySelectorAll(".markdown")].flatMap((answer, number) => {
    const allowed = "a blockquote br code del div em h1 h2 h3 h4 h5 h6 hr input li ol p pre section span strong sup "
        + "table tbody td th thead tr ul";
    const found = [...answer.querySelectorAll("*")].flatMap((each) => [
        ...(allowed.split(" ").includes(each.localName) ? [] : [each.localName]),
        ...each.getAttributeNames().filter((name) => /^on|^src|^srcset/.test(name)),
        ...(each.localName === "a" && !/^(https?:|mailto:|#)/.test(each.getAttribute("href")) ? [each.outerHTML] : []),
        ...(each.localName === "a" && !each.getAttribute("href").startsWith("#")
            && !(each.rel.includes("noopener") && each.target === "_blank") ? [each.outerHTML] : []),
    ]);
    return found.length ? [[number, found]] : [];
})"""
"""Tells of elements, attributes and links that may not be there."""

SHOWN = """(wanted) => [...document.querySelectorAll(".markdown")].slice(0, wanted.length).map((answer, number) => ({
    shown: answer.textContent.replace(/\\s/g, ""),
    links: [...answer.querySelectorAll("a")].map((link) => link.href),
    has: answer.matches(wanted[number]) || answer.querySelector(wanted[number]) !== null,
}))"""
ASKED = [case.has for case in CASES]
ANSWERS = [case.markdown for case in CASES] + PREFIXES


def check_shown(shown: list[Json]) -> None:
    """Compare what a page shows of ANSWERS with what it must."""
    wanted = [{"shown": "".join(case.shown.split()), "links": [*case.links], "has": True} for case in CASES]
    differences = [
        (case.markdown, *both) for case, *both in zip(CASES, shown, wanted, strict=True) if both[0] != both[1]
    ]
    assert differences == [], differences  # which pytest does not spell out here
