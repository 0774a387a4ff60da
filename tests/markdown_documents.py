"""What models write, each with what a reader must see of it; and documents made of such pieces.

How it is read back: ``⟦x⟧`` is a formula, ``<B>``, ``<I>`` and ``<S>`` are bold, italic and struck out, backticks
are code, and ``<text|address>`` is a link. Spaces and line ends count as one space.
"""

import random
from pathlib import Path

CASES = Path(__file__).parent / "cases" / "markdown"

# The table of right results in the cases' README.
RIGHT = {
    "cjk_bold": "これは<B>「重要」</B>です。",
    "colon_bracket": "Use a:b[c] here.",
    "colon_word": "image nginx:v1 and mail:<me@x.org|mailto:me@x.org> at 10:30",
    "dollar": "It costs $5 now and $6 later.",
    "dollar2": "Cost: US$3, EU$4.",
    "dollar_with_formula": "It costs $5 now and $6 later. Set ⟦x = 2⟧ first.",
    "latex_brackets": "So ⟦a^2 + b^2⟧ and ⟦E = mc^2⟧ end.",
    "shortcode": "Write :smile: or :material/home: in the code.",
    "tilde": "価格は 10~20個 または 30~40個 です。",
    "typography": "Run git checkout -- x, then a -> b.",
}

# Shown as they were sent.
AS_SENT = [
    *(":red[x]", ":blue-background[y]", ":small[z]", ":shimmer[q]", ":badge[a]{b=c}", ":help"),
    *("::leaf[x]{y=1}", "x::y[z]", ":streamlit:", ":heart:", ":+1:", "1:100:3", "12:30:45", ":material_home:"),
    *(":material/star", ":a_b-c:", "{attrs}", "a <- b", "a <-> b", "3 >= 2", "2 <= 3", "x ~= y", "a --- b"),
    *("and ...", "(c)", "i--", "a->b", "--flag", "-> end", "$5", "US$3", "R$ 10", "$5-$10"),
    *("$1,000 and $2,000", "$5/$6", "20$-30$", "$HOME/bin:$PATH", "${x}", "$(y)", "$5と$10", "~a~"),
    *("~/x and ~/y", "a~b~c", "~~~z~~~", "2*3*4", "snake_case_name", "a[0] and b[1][2]", "[0, 1)", "![not"),
    *("f(x)[y]", "<b>bold</b>", "<!-- note -->", "a < b > c", "List<String>", "<div class='x'>y</div>"),
    *("<img src='x.png'>", "C:\\Users\\me", "mail:you", "std::vector", "a:b{c}", "key:value", "😀 text"),
    *("100% & more", "# no heading", "x | y", "価格:高い[注]", "注意:重要[1]です", "→ 次へ", "10〜20個"),
    *("「$5」", "（~5分~）", "１：２", "項目:smile:です", "東京 -> 大阪", "A*（注）とB*（注）", "$A$1:$B$10"),
    *("2**3 = 8 and 2**4 = 16", "x**2 + y**2", "変数__init__は", "価格*（税込）と送料*（税別）", "(*^^*)"),
    *("(*´ω｀*) (*´∀｀)ノ (*´∀｀)", "R$ 10 = R$ 20", "$_a.$_b"),
]

INLINE = [
    *((text, text) for text in AS_SENT),
    ("~~gone~~", "<S>gone</S>"),
    ("the $n$th of $x^2 + 1$", "the ⟦n⟧th of ⟦x^2 + 1⟧"),
    ("costs $5, so $y = 5$", "costs $5, so ⟦y = 5⟧"),
    ("with \\(\\alpha_1\\) here", "with ⟦\\alpha_1⟧ here"),
    ("and \\[ x = 1 \\] inside", "and ⟦\\displaystyle x = 1⟧ inside"),
    ("price \\$7", "price $7"),
    ("array\\[0\\]", "array[0]"),
    ("a\\:smile\\: b", "a:smile: b"),
    ("&lt;i&gt; &amp; x &gt;= y", "<i> & x >= y"),
    ("`:smile: -> $x$ a:b[c]`", "`:smile: -> $x$ a:b[c]`"),
    ("`\\(a\\)` and ``b ` c``", "`\\(a\\)` and `b ` c`"),
    ("**bold** and *italic*", "<B>bold</B> and <I>italic</I>"),
    ("これは**「重要」**です", "これは<B>「重要」</B>です"),
    ("**重要。**次の*（注）*は", "<B>重要。</B>次の<I>（注）</I>は"),
    ("~~「旧」~~と**100%**と**“引用”**を", "<S>「旧」</S>と<B>100%</B>と<B>“引用”</B>を"),
    ("変数$x$は$y = 2$です", "変数⟦x⟧は⟦y = 2⟧です"),
    ("[a -> b](https://x.org/a:b)", "<a -> b|https://x.org/a:b>"),
    ("[\\(a\\) :smile:](https://x.org)", "<⟦a⟧ :smile:|https://x.org>"),
    ("see https://x.org/a_b:c?d=1&e=2 now", "see <https://x.org/a_b:c?d=1&e=2|https://x.org/a_b:c?d=1&e=2> now"),
    ("see https://x.org/:smile:/b now", "see <https://x.org/:smile:/b|https://x.org/:smile:/b> now"),
    ("<https://x.org/c:d>", "<https://x.org/c:d|https://x.org/c:d>"),
    ("<https://x.org/:smile:>", "<https://x.org/:smile:|https://x.org/:smile:>"),
    ("$_GET['a'] . $_POST['b']; ^foo$|^bar$", "$_GET['a'] . $_POST['b']; ^foo$|^bar$"),
    ("![p][img] [ref] [a:b][ref]", "![p][img] [ref] [a:b][ref]"),
    ("[^1] and [^x:y]", "[^1] and [^x:y]"),
    ("**https://x.org/a**です", "<B><https://x.org/a|https://x.org/a></B>です"),
    ("![a :smile:](https://x.org/p.png)", "<a :smile: (https://x.org/p.png)|https://x.org/p.png>"),
    ("CO$_2$ and H$_{2}$O, 5$^{th}$, 10$^{-3}$", "CO⟦_2⟧ and H⟦_{2}⟧O, 5⟦^{th}⟧, 10⟦^{-3}⟧"),
    ("3$\\times$3, 10$\\mu$m, x$^2$y", "3⟦\\times⟧3, 10⟦\\mu⟧m, x⟦^2⟧y"),
    ("$k$NN at 25$^\\circ$C, 5$\\%$", "⟦k⟧NN at 25⟦^\\circ⟧C, 5⟦\\%⟧"),
    ("US$3, EU$4 and 10$\\mu$m for $5", "US$3, EU$4 and 10⟦\\mu⟧m for $5"),
    ("$ x = 2 $ and $ \\frac{1}{2} $", "⟦x = 2⟧ and ⟦\\frac{1}{2}⟧"),
    ("\\( a\n+ b \\) and $\\alpha\n- 1$", "⟦a + b⟧ and ⟦\\alpha - 1⟧"),
    ("\\begin{align}a &= b\\end{align} inside", "⟦\\displaystyle \\begin{aligned}a &= b\\end{aligned}⟧ inside"),
    (
        "!![a](https://h.org/x.png) and !!![a](https://h.org/x.png)",
        "!<a (https://h.org/x.png)|https://h.org/x.png> and !!<a (https://h.org/x.png)|https://h.org/x.png>",
    ),
    ("!https://x.org/:smile:/b", "!<https://x.org/:smile:/b|https://x.org/:smile:/b>"),
    ("a<br>b<br/>- c<BR />2. d", "a⏎ b⏎ - c⏎ 2. d"),
    ("__「重要」__です", "<B>「重要」</B>です"),
    ("これは__重要__で__（注）__", "これは<B>重要</B>で<B>（注）</B>"),
    ("![](//x.org/p_q.png)", "<//x.org/p_q.png|//x.org/p_q.png>"),
    ("[![b](https://x.org/b.svg)](https://y.org)", "<b (https://x.org/b.svg)|https://y.org>"),
]

BLOCKS = [
    ("```python\n:smile: -> $x$\n\na:b[c] **d** :material/home:\n```", "`:smile: -> $x$ a:b[c] **d** :material/home:`"),
    ("~~~\n~a~ ```\n~~~", "`~a~ ````"),
    ("````md\n```\n$5 and $6\n```\n````", "````` $5 and $6 `````"[:1] + "``` $5 and $6 ```" + "`"),
    ("$$\na = b\n\nc = d\n$$", "⟦a = b c = d⟧"),
    ("\\[\nE = mc^2\n\\]", "⟦E = mc^2⟧"),
    ("$$ x = 1 $$", "⟦x = 1⟧"),
    ("- one\n\n  \\[\n  y = 2\n  \\]\n- $5 -> $6", "one ⟦y = 2⟧ $5 -> $6"),
    ("> quoted :red[x]\n> **「b」**だ", "quoted :red[x] <B>「b」</B>だ"),
    ("| a:b[c] | $5 |\n|---|---|\n| -> | `x\\|y` $6 |\n| ![p](https://x.org/p.png) | $z^2$ |",
     "a:b[c] $5 -> `x|y` $6 <p (https://x.org/p.png)|https://x.org/p.png> ⟦z^2⟧"),
    ("| a<br>b | c<br> |\n|---|---|\n| 1<br/>2 | `<br>` |", "a ⏎ b c 1 ⏎ 2 `<br>`"),
    ("# a<br>b", "a ⏎ b"),
    ("a<br>\nb<br><br>c<br>", "a⏎ b⏎ ⏎ c"),
    ("So\n\\[\nx = a\n+ b\n- c\n\\]\nend", "So ⟦x = a + b - c⟧ end"),
    ("\\[\nx\n=\ny\n\\]", "⟦x = y⟧"),
    ("\\[\na = b\n\nc = d\n\\]", "⟦a = b c = d⟧"),
    ("$$ x\n+ y $$", "⟦x + y⟧"),
    ("$$\nx\n- y $$ where\n\n$$\nz\n$$", "⟦x - y⟧ where ⟦z⟧"),
    ("> \\[\n> a\n> - b\n>\n> = 1\n> \\]\n> end", "⟦a - b = 1⟧ end"),
    ("1. \\[\n   a = 1\n\n   - b\n   \\]\n2. next", "⟦a = 1 - b⟧ next"),
    ("\\begin{align}\na &= b \\\\\n- c &= d\n\\end{align}\nend",
     "⟦\\begin{align} a &= b \\\\ - c &= d \\end{align}⟧ end"),
    (":::note\ninside\n:::", ":::note inside :::"),
    ("<details>\n<summary>:smile:</summary>\n</details>", "<details> <summary>:smile:</summary> </details>"),
    ("1. first\n   - second -- third\n2. 10~20 and 30~40", "first second -- third 10~20 and 30~40"),
    ("$$\nnot closed", "$$ not closed"),
    ("text\\\nmore", "text⏎ more"),
    ("![p :x:][pic] and [a:b]\n\n[pic]: https://x.org/q.png\n[a:b]: https://x.org/b",
     "<p :x: (https://x.org/q.png)|https://x.org/q.png> and <a:b|https://x.org/b>"),
    ("    $5 code :smile: ~a~", "`$5 code :smile: ~a~`"),
    ("**太字**と***両方***と「**強**」", "<B>太字</B>と<I><B>両方</B></I>と「<B>強</B>」"),
    ("これは**`code`**です", "これは<B>`code`</B>です"),
]  # fmt: skip


def cases() -> list[tuple[str, str]]:
    return [((CASES / f"{name}.md").read_text("utf-8"), right) for name, right in RIGHT.items()]


def documents(count: int) -> list[tuple[str, str]]:
    """Make documents of all these pieces in ever other company, each with what a reader must see."""
    made = []
    for seed in range(count):
        pick = random.Random(seed)
        parts = [_paragraph(pick, seed + number) for number in range(3)]
        parts.insert(pick.randrange(4), BLOCKS[seed % len(BLOCKS)])
        made.append(("\n\n".join(source for source, _ in parts), " ".join(right for _, right in parts)))
    return made


def _paragraph(pick: random.Random, number: int) -> tuple[str, str]:
    """Join pieces by words of either language, so that nothing begins or ends a line by chance."""
    pieces = [INLINE[number % len(INLINE)], *pick.sample(INLINE, 2)]
    words = pick.choice([("So", "and then", "here."), ("では", "それから", "です。")])
    source, right = (
        f"{words[0]} {pieces[0][side]} {words[1]} {pieces[1][side]} {words[1]} {pieces[2][side]} {words[2]}"
        for side in (0, 1)
    )
    return source, right
