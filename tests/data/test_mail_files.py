import mailbox
from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from vecloom.data import context
from vecloom.data.formats.mail import unflowed
from vecloom.errors import DataError

START = "From ann@example.org Thu Jan  1 09:30:00 2015\n"


def message(subject="Tea", body="Boil water.\n", **headers):
    made = EmailMessage()
    made["Subject"] = subject
    made["From"] = "Ann Example <ann@example.org>"
    made["To"] = "bob@example.org"
    made["Date"] = "Thu, 1 Jan 2015 10:30:00 +0100"
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(body)
    return made


def test_subject_is_the_title_and_who_and_when_are_fields(inputs):
    data = bytes(message(Message_ID="<1@x>", In_Reply_To="<0@x>", List_Id="Tea <tea.example.org>"))
    (document,) = inputs.read("a.eml", data)
    assert (document.title, document.text) == ("Tea", "Boil water.")
    assert document.fields == {
        "from": "Ann Example <ann@example.org>",
        "to": "bob@example.org",
        "message_id": "<1@x>",
        "in_reply_to": "<0@x>",
        "list": "Tea <tea.example.org>",
        "date": "2015-01-01T09:30:00Z",
    }


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("=?utf-8?q?Gr=C3=BCner_Tee?=", "Grüner Tee"),
        ("=?ISO-8859-1?B?R3L8bmVyIFRlZQ==?=", "Grüner Tee"),
        ("=?utf-8?q?Gr=C3=BC?=\r\n =?utf-8?q?ner?= Tee", "Grüner Tee"),  # the fold between two words is not a space
        ("Grüner Tee", "Grüner Tee"),  # bytes that should not be there
        ("=?x-nobody?q?Tee?=", "Tee"),
        ("=?utf-8?b?R3L=?= open", "Gr open"),
        ("Tea\r\n\tand water", "Tea and water"),
    ],
)
def test_encoded_words_are_decoded(inputs, written, read):
    (document,) = inputs.read("a.eml", f"Subject: {written}\r\nFrom: a@b\r\n\r\nx\r\n")
    assert document.title == read


@pytest.mark.parametrize(
    ("charset", "data"),
    [
        ("utf-8", "Grüße"), ("iso-8859-1", "Grüße"), ("windows-1252", "„Grüße“"), ("iso-2022-jp", "お茶"), ("koi8-r", "чай"),
        ("shift_jis", "お茶"), ("gb2312", "茶"),
    ],
)  # fmt: skip
def test_charsets_are_decoded(inputs, charset, data):
    head = f"Subject: x\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: 8bit\n\n"
    (document,) = inputs.read("a.eml", head.encode() + data.encode(charset))
    assert document.text == data


@pytest.mark.parametrize("charset", ["x-unknown", "us-ascii", "iso-8859-15", "", '"utf-8; x"'])
def test_utf8_under_a_wrong_charset_is_utf8(inputs, charset):
    head = f"Subject: x\nContent-Type: text/plain; charset={charset}\n\n"
    (document,) = inputs.read("a.eml", f"{head}Grüße €")
    assert document.text == "Grüße €"


def test_windows_letters_without_a_charset_are_read(inputs):
    (document,) = inputs.read("a.eml", b"Subject: x\n\nGr\xfc\xdfe aus M\xfcnchen\n")
    assert document.text == "Grüße aus München"


def test_plain_text_comes_before_html_and_html_is_made_text(inputs):
    both = message()
    both.add_alternative("<p>Boil <b>water</b>.</p>", subtype="html")
    (document,) = inputs.read("a.eml", bytes(both))
    assert document.text == "Boil water."
    alone = message()
    alone.set_content("<h1>Tea</h1><p>Boil <b>water</b>.</p><script>x()</script>", subtype="html")
    (document,) = inputs.read("b.eml", bytes(alone))
    assert document.text == "# Tea\n\nBoil **water**."


def test_an_empty_plain_part_gives_way_to_html(inputs):
    both = message(body="\n")
    both.add_alternative("<p>Boil water.</p>", subtype="html")
    (document,) = inputs.read("a.eml", bytes(both))
    assert document.text == "Boil water."


def test_attachments_are_counted_and_named_and_read_if_they_are_text(inputs):
    made = message()
    made.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="pot.png")
    made.add_attachment("Leaves: 3 g", filename="recipe.txt")
    (document,) = inputs.read("a.eml", bytes(made))
    assert document.fields["attachments"] == 2
    assert document.fields["attachment_names"] == "pot.png, recipe.txt"
    assert document.text == "Boil water.\n\nrecipe.txt\nLeaves: 3 g"


def test_pictures_of_an_html_page_are_not_attachments(inputs):
    made = message()
    made.add_alternative("<p>Boil <img src='cid:pot'></p>", subtype="html")
    made.get_payload()[1].add_related(b"\x89PNG", "image", "png", cid="<pot>")
    (document,) = inputs.read("a.eml", bytes(made))
    assert "attachments" not in document.fields


def test_an_attachments_name_in_encoded_words_is_decoded(inputs):
    data = 'Subject: x\nContent-Type: image/png; name="=?utf-8?q?Tee=C3=A4?=.png"\nContent-Transfer-Encoding: base64\n\niVBO\n'
    (document,) = inputs.read("a.eml", data)
    assert document.fields["attachment_names"] in {"Teeä.png", "Teeä .png"}


def test_a_forwarded_mail_is_read_with_its_own_subject(inputs):
    made = message("Fwd: Coffee", "See below.\n")
    made.add_attachment(message("Coffee", "Roast beans.\n"))
    (document,) = inputs.read("a.eml", bytes(made))
    assert document.text.startswith("See below.\n\nSubject: Coffee\nFrom: Ann Example <ann@example.org>\n")
    assert document.text.endswith("Roast beans.")


def test_nested_and_signed_parts_are_read(inputs):
    signed, mixed = MIMEMultipart("signed"), MIMEMultipart("mixed")
    mixed.attach(MIMEText("One.", "plain"))
    mixed.attach(MIMEText("Footer of the list.", "plain"))
    signed.attach(mixed)
    signed.attach(MIMEText("-----BEGIN PGP", "pgp-signature"))
    signed.get_payload()[1].replace_header("Content-Type", "application/pgp-signature")
    (document,) = inputs.read("a.eml", b"Subject: x\n" + bytes(signed))
    assert document.text == "One.\n\nFooter of the list."


def test_quoted_replies_are_kept(inputs):
    (document,) = inputs.read("a.eml", bytes(message(body="Yes.\n\n> Is it tea?\n")))
    assert document.text == "Yes.\n\n> Is it tea?"


def test_flowed_lines_are_joined():
    text = "A long \nline.\n\n> quoted \n> line\n>> deeper\n  stuffed\n-- \nAnn\n"
    assert unflowed(text) == "A long line.\n\n> quoted line\n>> deeper\n stuffed\n-- \nAnn\n"
    assert unflowed("長い \n行", delete_space=True) == "長い行"


@pytest.mark.parametrize(
    ("written", "date"),
    [
        ("Thu, 1 Jan 2015 23:30:00 -0500", "2015-01-02T04:30:00Z"),
        ("1 Jan 15 09:30 GMT", "2015-01-01T09:30:00Z"),
        ("Thu, 01 Jan 2015 09:30:00 -0000", "2015-01-01T09:30:00Z"),
        ("yesterday", None),
        ("Thu, 99 Jan 2015 09:30:00 +0000", None),
    ],
)
def test_dates_are_in_utc_and_broken_ones_left_out(inputs, written, date):
    (document,) = inputs.read("a.eml", f"Subject: x\nDate: {written}\n\nx\n")
    assert document.fields.get("date") == date


def test_an_emlx_file_is_a_mail_between_its_length_and_a_property_list(inputs):
    mail = bytes(message())
    plist = b'<?xml version="1.0"?><plist><dict><key>flags</key></dict></plist>'
    (document,) = inputs.read("7.emlx", b"%-10d\n" % len(mail) + mail + plist)
    assert (document.title, document.text) == ("Tea", "Boil water.")


def test_a_maildir_is_read_without_suffixes_and_without_its_trash(inputs):
    box = mailbox.Maildir(inputs.folder / "Mail")
    box.add(message("New"))
    for subject, flags in (("Seen", "S"), ("Thrown away", "ST")):
        made = mailbox.MaildirMessage(message(subject))
        made.set_subdir("cur")
        made.set_flags(flags)
        box.add(made)
    inputs.write("Mail/tmp/1420104600.1.host", bytes(message("Half written")))
    inputs.write("Mail/dovecot-uidlist", "3 V1 N1\n")
    assert sorted(document.title for document in inputs.read_folder()) == ["New", "Seen"]
    assert any("moved to the trash" in note for note in inputs.report.notes)


def test_a_file_that_is_not_a_mail_is_said(inputs):
    with pytest.raises(DataError, match="this is not a mail"):
        inputs.read("a.eml", "just words\n")


def test_folders_of_a_maildir_are_read_though_their_names_begin_with_a_dot(inputs):
    box = mailbox.Maildir(inputs.folder / "Mail")
    box.add(message("Inbox"))
    box.add_folder("Sent").add(message("Sent"))
    assert sorted(document.title for document in inputs.read_folder()) == ["Inbox", "Sent"]


def test_a_thunderbird_folder_without_suffix_is_read_as_mails(inputs):
    inputs.write("Inbox", "From - Thu Jan  1 09:30:00 2015\nSubject: One\n\nx\n")
    inputs.write("Inbox.msf", b"\0index")
    assert [document.title for document in inputs.read_folder()] == ["One"]
    assert [document.title for document in inputs.read("Inbox")] == ["One"]


# mbox


def test_an_mbox_gives_its_mails(inputs):
    box = mailbox.mbox(inputs.folder / "a.mbox")
    box.add(message("One"))
    box.add(message("Two", "From here on it boils.\n"))
    box.close()
    one, two = inputs.read("a.mbox")
    assert [one.title, two.title] == ["One", "Two"]
    assert two.text == "From here on it boils."  # written as ">From here"
    assert two.id.endswith("a.mbox:2")
    assert two.position == 2


def test_the_quoting_of_mboxrd_is_undone_by_one(inputs):
    text = f"{START}Subject: x\n\n>From here\n>>From there\n> From elsewhere\n"
    (document,) = inputs.read("a.mbox", text)
    assert document.text == "From here\n>From there\n> From elsewhere"


def test_the_length_of_mboxcl2_is_believed(inputs):
    body = f"Look:\n\n{START}Subject: not a mail of its own\n\nend\n"
    first = f"{START}Subject: One\nContent-Length: {len(body)}\n\n{body}\n"
    one, two = inputs.read("a.mbox", f"{first}{START}Subject: Two\n\nx\n")
    assert one.text.endswith("Subject: not a mail of its own\n\nend")
    assert two.title == "Two"


def test_a_wrong_length_is_not_believed(inputs):
    for length in (3, 5000):
        text = f"{START}Subject: One\nContent-Length: {length}\n\nBoil water.\n\n{START}Subject: Two\n\nx\n"
        one, two = inputs.read("a.mbox", text)
        assert (one.text, two.title) == ("Boil water.", "Two")


def test_a_line_of_the_body_that_begins_with_from_is_text(inputs):
    text = f"{START}Subject: One\n\nIt boils.\n\nFrom 9:30 in 2015 on it boils:\nthen not.\n\nFrom here.\n"
    (document,) = inputs.read("a.mbox", text)
    assert document.text.endswith("From 9:30 in 2015 on it boils:\nthen not.\n\nFrom here.")


@pytest.mark.parametrize(
    "start",
    [
        "From - Thu Jan  1 09:30:00 2015",  # Thunderbird
        "From 1490000000000000000@xxx Thu Jan 01 09:30:00 +0000 2015",  # Gmail's export
        "From ann at example.org  Thu Jan  1 09:30:00 2015",  # Mailman's archives
        "From MAILER-DAEMON Thu Jan  1 09:30:00 2015",
        "From ???@??? Thu Jan 01 09:30:00 2015",  # Eudora
        "From ann@example.org Thu Jan  1 09:30:00 UTC 2015",
        "From ann@example.org Thu Jan  1 09:30 2015",
    ],
)
def test_from_lines_of_many_programs_begin_a_mail_and_give_its_date(inputs, start):
    for end in ("\n", "\r\n"):
        lines = [start, "Subject: One", "", "x", "", start, "Subject: Two", "", "y", ""]
        one, two = inputs.read("a.mbox", end.join(lines))
        assert (one.title, one.text, two.title, two.text) == ("One", "x", "Two", "y")
        assert two.fields["date"] == "2015-01-01T09:30:00Z"


def test_labels_of_gmail_become_a_field(inputs):
    labels = "=?UTF-8?Q?Wichtig,Ge=C3=B6ffnet,Kategorie:?=\r\n =?UTF-8?Q?_Werbung?="
    (document,) = inputs.read("a.mbox", f"{START}X-Gmail-Labels: {labels}\nSubject: x\n\ny\n")
    assert document.fields["labels"] == "Wichtig,Geöffnet,Kategorie: Werbung"


def test_mails_that_thunderbird_only_marked_as_deleted_are_left_out(inputs):
    text = "".join(
        f"From - Thu Jan  1 09:30:00 2015\nX-Mozilla-Status: {s}\nSubject: {s}\n\nx\n\n" for s in ("0001", "0009")
    )
    (document,) = inputs.read("a.mbox", text)
    assert document.title == "0001"
    assert "1 mail marked as deleted left out" in inputs.report.notes[0]


def test_an_archive_of_a_mailing_list_is_read_as_mails(inputs):
    start = "From ann at example.org  Thu Jan  1 09:30:00 2015\n"
    text = f"{start}From: ann at example.org (Ann)\nDate: Thu, 1 Jan 2015 09:30:00 +0000\nSubject: [Tea] x\n\nBoil.\n\n"
    one, _two = inputs.read("2015-January.txt", text + text)
    assert (one.title, one.text) == ("[Tea] x", "Boil.")
    assert len(inputs.read("2015-January.txt", lines=True)) == 14


def test_apples_folder_with_a_file_called_mbox_is_read(inputs):
    inputs.write("Inbox.mbox/mbox", f"{START}Subject: One\n\nx\n")
    inputs.write("Inbox.mbox/table_of_contents", b"\0\0")
    assert [document.title for document in inputs.read_folder()] == ["One"]


def test_a_mail_that_is_too_large_is_cut_and_said(inputs, monkeypatch):
    monkeypatch.setattr(context, "MAX_BYTES", 3000)
    line = "Boil water. " * 8 + "\n"
    text = f"{START}Subject: One\n\n{line * 100}\n{START}Subject: Two\n\nx\n"
    one, two = inputs.read("a.mbox", text)
    assert 2800 < len(one.text) <= 3000
    assert two.title == "Two"
    assert "mail 1 was cut to 3,000 bytes" in inputs.report.notes[0]


def test_an_mbox_that_is_none_is_said(inputs):
    with pytest.raises(DataError, match="this is not an mbox"):
        inputs.read("a.mbox", "just words\n")
