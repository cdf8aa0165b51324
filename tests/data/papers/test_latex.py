"""LaTeX of bibliographies as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecloom.data.papers.latex import to_text, unescaped


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (r"{\"o} \"{o} \"o {\'\i} \'{\i} \v{c} {\v S} \c c \k{a} \H{o} \~n \=a", "ö ö ö í í č Š ç ą ő ñ ā"),
        (r"Stra{\ss}e, {\aa}ngstr{\"o}m, \O stergaard", "Straße, ångström, Østergaard"),
        (r"{\L}{\'o}d{\'z}, {\ae}on, \oe uvre", "Łódź, æon, œuvre"),
        (r"50% of all, 10\% more", "50% of all, 10% more"),
        (r"R&D, R\&D", "R&D, R&D"),
        (r"Search &amp; retrieval \&amp; more &lt;i&gt;", "Search & retrieval & more <i>"),
        (r"\href{https://x.example/a_b%20c}{the page} here", "the page here"),
        (r"see \url{https://x.example/~c_d%20e{\_}f}", "see https://x.example/~c_d%20e_f"),
        (r"\texttt{foo\_bar} \mbox{ab}c \textsf{d} \underline{e}", "foo_bar abc d e"),
        (r"\emph{x}, \textit{y}z, {\em foo} bar, {\bf B}ERT, {\sc Doe}", "x, yz, foo bar, BERT, Doe"),
        (r"a~b 1--3 --- ``q''", "a b 1–3 — “q”"),
        (r"{{Deep}} {L}earning with {BERT}", "Deep Learning with BERT"),
        (r"$x_{1}^2$ at $\sqrt{s}=13$ TeV, \(a\%\)", r"$x_{1}^2$ at $\sqrt{s}=13$ TeV, \(a\%\)"),
        (r"costs $5 and {BERT} \& more", "costs $5 and BERT & more"),
        (r"between $5 and 10% of $10", "between $5 and 10% of $10"),
        (r"\$5 \# \{a\} a\_b", "$5 # {a} a_b"),
        (r"{\textless}p{\textgreater} \textbar{} \copyright{} \pounds{} \S 5", "<p> | © £ §5"),
        (r"H\textsubscript{2}O, 10\textsuperscript{th}", "H2O, 10th"),
        (r"\LaTeX{} and \TeX", "LaTeX and TeX"),
        (r"\noopsort{1973}Foo \foreignlanguage{german}{Haus} \textcolor{red}{x}", "Foo Haus x"),
        (r"\mnras", "Monthly Notices of the Royal Astronomical Society"),
        (r"\mkbibemph{foo} \ourmacro bar", r"foo \ourmacro bar"),
        (r"as in \cite{doe2020}", r"as in \cite{doe2020}"),
        (r"hy\-phen\-ated", "hyphenated"),
    ],
)  # fmt: skip
def test_markup_becomes_text_and_formulas_stay(source, expected):
    assert to_text(source) == expected


@given(st.text(alphabet="aB {}\\$%&~^_'`\"-(i", max_size=30))
def test_nothing_breaks_it(source):
    assert "\n" not in to_text(source)


@given(st.text(alphabet=st.characters(whitelist_categories=("L", "N")), max_size=30))
def test_text_without_markup_stays(source):
    assert to_text(source) == source


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (r"10.1007/978-3-030-1{\_}12", "10.1007/978-3-030-1_12"),
        (r"10.1000/a\_b\%20", "10.1000/a_b%20"),
        ("https://x.example/a%20b_c~d?x=1&y=2#z", "https://x.example/a%20b_c~d?x=1&y=2#z"),
        (r"\url{https://x.example/{\~{}}me}", "https://x.example/~me"),
    ],
)
def test_addresses_are_not_latex(source, expected):
    assert unescaped(source) == expected
