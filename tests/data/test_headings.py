from vecloom.data.headings import Heading, heading_paths, markdown_headings, path_at, rst_headings

MARKDOWN = """\
# One `code` #

text
```python
# a comment
```
Two
---

- item
---
| a |
---

### [Three](http://x) **bold**
    # indented code
#hashtag
####### seven
"""


def test_markdown_headings_are_atx_and_setext_but_not_in_code_lists_or_tables():
    found = list(markdown_headings(MARKDOWN))
    assert [(heading.level, heading.text) for heading in found] == [(1, "One code"), (2, "Two"), (3, "Three bold")]
    for heading, line in zip(found, ["# One", "Two\n---", "### ["], strict=True):
        assert MARKDOWN[heading.start :].startswith(line)


def test_fence_ends_only_with_its_own_kind_and_length():
    assert list(markdown_headings("~~~~\n```\n# no\n~~~\n# no\n~~~~\n# yes")) == [Heading(28, 1, "yes")]


def test_unclosed_fence_hides_the_rest():
    assert list(markdown_headings("```\n# no")) == []


RST = """\
=====
Title
=====

Intro
-----
text

::

    Code
    ----

Deep
~~~~
Second
------
before
Not
---

===  ===
a    b
===  ===
"""


def test_rst_levels_follow_the_order_of_styles():
    found = [(heading.level, heading.text) for heading in rst_headings(RST)]
    assert found == [(1, "Title"), (2, "Intro"), (3, "Deep"), (2, "Second")]


def test_rst_title_starts_at_its_overline():
    assert next(rst_headings(RST)).start == 0


def test_path_leads_from_the_highest_heading_down():
    starts, paths = heading_paths(
        iter([Heading(5, 1, "A"), Heading(10, 3, "B"), Heading(20, 2, "C"), Heading(30, 1, "D")])
    )
    assert paths == ["A", "A > B", "A > C", "D"]
    assert [path_at(starts, paths, offset) for offset in (0, 5, 19, 20, 99)] == ["", "A", "A > B", "A > C", "D"]
