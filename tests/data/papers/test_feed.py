"""Feeds in their many forms; every entry here was made up."""

import json

import pytest

RSS = """
    <?xml version="1.0" encoding="UTF-8"?>
    <rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"
      xmlns:media="http://search.yahoo.com/mrss/" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd">
    <channel><title>Posts</title><link>https://example.org/blog/</link><description>x</description>{}</channel></rss>"""


def item(take, source):
    (paper,), report = take("feed", RSS.replace("{}", f"<item>{source}</item>"))
    assert report.bad_records == 0
    return paper


def test_a_post_without_a_title_has_its_first_words(take):
    paper = item(
        take, "<guid>https://example.org/3</guid><description>&lt;p&gt;First words. More.&lt;/p&gt;</description>"
    )
    assert (paper.id, paper.title, paper.text) == ("https://example.org/3", "First words.", "First words. More.")
    long = item(take, f"<title/><link>https://example.org/4</link><description>{'swallow ' * 30}</description>")
    assert long.title == "swallow " * 10 + "…"
    assert long.text.count("swallow") == 30


def test_an_item_with_nothing_to_read_is_listed(take):
    found, report = take("feed", RSS.replace("{}", "<item><link>https://example.org/6</link></item>"))
    assert found == []
    assert "entry 1: https://example.org/6 has no title and no text" in report.notes[0]


def test_posts_without_id_and_link_are_told_apart(take):
    items = "<item><description>One.</description></item><item><description>Two.</description></item>"
    found, _ = take("feed", RSS.replace("{}", items))
    assert len({paper.id for paper in found}) == 2
    assert not any("url" in paper.fields for paper in found)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Thu, 4 May 2017 19:40:17", "2017-05-04T19:40:17Z"),
        ("Thu, 4 May 2017 19:40:17 +0200", "2017-05-04T17:40:17Z"),
        ("Sat, 31 Dec 2016 23:59:60 GMT", "2016-12-31T23:59:59Z"),
        ("Thu, 04 May 2017 24:00:00 GMT", "2017-05-05T00:00:00Z"),
        ("2017-05-04", "2017-05-04"),
    ],
)
def test_dates(take, written, expected):
    paper = item(take, f"<title>T</title><link>https://example.org/1</link><pubDate>{written}</pubDate>")
    assert paper.fields["date"] == expected


def test_seconds_since_1970_are_not_a_year_of_the_middle_ages(take):
    assert "date" not in item(take, "<title>T</title><pubDate>1493926817</pubDate>").fields


@pytest.mark.parametrize(
    "declaration", ["", '<?xml version="1.0" encoding="utf-8"?>', '<?xml version="1.0" encoding="utf-16"?>']
)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_feed_in_utf16_is_read_whatever_it_declares(take, declaration, encoding):
    feed = f"{declaration}<rss version='2.0'><channel><item><title>Grüße aus Łódź</title></item></channel></rss>"
    found, _ = take("feed", feed.encode(encoding))
    assert [paper.title for paper in found] == ["Grüße aus Łódź"]


def test_html_becomes_text_and_words_stay_whole(take):
    paper = item(
        take,
        "<title>AT&amp;amp;T &amp; the &lt;b&gt;B&lt;/b&gt;ERT</title><link>/posts/1</link><description>short</description>"
        "<content:encoded><![CDATA[<p>H<sub>2</sub>O is wet.</p><p>Second&nbsp;one</p><ul><li>a</li><li>b</li></ul>]]>"
        "</content:encoded>",
    )
    assert (paper.title, paper.text) == ("AT&T & the BERT", "H2O is wet. Second one a b")
    assert paper.fields["url"] == "https://example.org/posts/1"


def test_what_is_plain_may_speak_of_tags(take):
    assert (
        item(take, "<title>List&lt;String&gt; in Java</title><link>https://x.example</link>").title
        == "List<String> in Java"
    )
    (paper,), _ = take(
        "feed",
        """
        <feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://example.org/base/"><id>urn:f</id>
        <author><name>Feed Author</name></author>
        <entry><id>urn:1</id><title type="text">Using &lt;b&gt;</title><link href="rel/1"/><updated>2017-05-04T19:40:17</updated>
        </entry></feed>
        """,
    )
    assert (paper.title, paper.fields["url"]) == ("Using <b>", "https://example.org/base/rel/1")
    assert (paper.fields["authors"], paper.fields["date"]) == ("Feed Author", "2017-05-04T19:40:17Z")


def test_podcasts_and_videos(take):
    episode = item(
        take,
        '<title>Episode</title><guid isPermaLink="false">ep-5</guid><itunes:author>Host</itunes:author>'
        "<itunes:summary>What was said.</itunes:summary>",
    )
    assert (episode.id, episode.text, episode.fields["authors"]) == ("ep-5", "What was said.", "Host")
    (video,), _ = take(
        "feed",
        """
        <feed xmlns:media="http://search.yahoo.com/mrss/" xmlns="http://www.w3.org/2005/Atom"><id>yt:channel:x</id><entry>
        <id>yt:video:abc</id><title>Video</title><link rel="alternate" href="https://www.youtube.com/watch?v=abc"/>
        <published>2020-05-03T10:00:00+00:00</published>
        <media:group><media:title>Video</media:title><media:description>What it shows.</media:description></media:group>
        </entry></feed>
        """,
    )
    assert (video.text, video.fields["date"]) == ("What it shows.", "2020-05-03T10:00:00Z")


def test_articles_of_a_journal(take):
    (paper,), _ = take(
        "rss",
        """
        <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
          xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/">
        <item rdf:about="https://j.example/1"><title>Art</title><link>https://j.example/1</link><dc:creator>Doe, Jane</dc:creator>
        <dc:date>2020-05-03</dc:date><prism:doi>10.1000/r1</prism:doi><prism:publicationName>J. Milk</prism:publicationName>
        </item>
        </rdf:RDF>
        """,
    )
    assert (paper.fields["authors"], paper.fields["date"]) == ("Jane Doe", "2020-05-03")
    assert (paper.fields["doi"], paper.fields["journal"]) == ("10.1000/r1", "J. Milk")


def test_json_feed(take):
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "J",
        "authors": [{"name": "Feed Author"}],
        "items": [
            {
                "id": "1",
                "url": "https://x.example/1",
                "title": "A",
                "content_html": "<p>x</p>",
                "date_published": "2020-05-03",
            },
            {"id": 2, "content_text": "a <b> post", "authors": [{"name": "Ann"}], "tags": ["t"]},
        ],
    }
    first, second = take("feed", json.dumps(feed))[0]
    assert (first.title, first.text, first.fields["date"], first.fields["authors"]) == (
        "A",
        "x",
        "2020-05-03",
        "Feed Author",
    )
    assert (second.id, second.title, second.fields["authors"], second.fields["category"]) == (
        "2",
        "a <b> post",
        "Ann",
        "t",
    )


@pytest.mark.parametrize("content", ["<html><body><p>x</p></body></html>", '{"a": 1}', "{broken", "TY  - JOUR"])
def test_what_is_not_a_feed_is_told(take, content):
    found, report = take("feed", content)
    assert found == []
    assert "it is not a feed" in report.notes[0]


def test_posts_of_mastodon_and_bluesky(take):
    toot = item(
        take,
        "<guid>https://m.example/@ann/1</guid><description>&lt;p&gt;About &lt;a href='x'&gt;#&lt;span&gt;milk&lt;/span&gt;"
        "&lt;/a&gt; and cheese.&lt;br /&gt;More.&lt;/p&gt;</description>",
    )
    assert (toot.title, toot.text) == ("About #milk and cheese.", "About #milk and cheese. More.")
    picture = item(
        take,
        "<guid>https://m.example/@ann/2</guid><media:content><media:description>A cow</media:description></media:content>",
    )
    assert picture.title == "A cow"
    assert (
        item(take, "<description>x</description><pubDate>02 Jan 2024 15:04 +0000</pubDate>").fields["date"]
        == "2024-01-02T15:04:00Z"
    )


def test_a_date_that_says_less_is_not_an_update(take):
    dates = "<pubDate>Fri, 03 May 2024 06:00:00 -0400</pubDate><dc:date>2024-05-03</dc:date>"
    paper = item(take, f"<title>T</title><link>https://x.example/1</link>{dates}")
    assert paper.fields["date"] == "2024-05-03T10:00:00Z"
    assert "updated" not in paper.fields


def test_all_authors_in_one_element(take):
    paper = item(
        take, "<title>T</title><link>https://x.example/1</link><dc:creator>Doe, J., Roe, R., van Gogh, V.</dc:creator>"
    )
    assert paper.fields["authors"] == "J. Doe; R. Roe; V. van Gogh"
