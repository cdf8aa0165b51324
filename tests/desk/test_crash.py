"""A run of digests is killed at every point; after the next runs each reader has each paper in one mail, and only one."""

import os
import subprocess
import sys
from pathlib import Path


def test_after_a_kill_at_any_point_nobody_gets_a_paper_twice_and_nobody_is_forgotten(mailbox, tmp_path):
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path), str(mailbox.port)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    names = done.stdout.split()
    assert names.count("end") == 2
    cases = [name for name in names if name != "end"]
    assert sum(name.startswith("statement") for name in cases) > 25
    assert sum(name.startswith("mail") for name in cases) == 4  # three mails, and one run that nothing killed
    expected = {
        (f"{who}-{case}@reader.example", title): 1
        for case in cases
        for who, titles in (("ann", ("First", "Second", "Third")), ("bob", ("First", "Second")))
        for title in titles
    }
    assert mailbox.papers() == expected

    # A second copy comes only of the mail that was being handed over, and is the same to the byte.
    copies = {}
    for to, letter in zip(mailbox.recipients, mailbox.taken, strict=True):
        copies.setdefault((to, letter["Message-ID"]), []).append(letter.as_bytes())
    assert all(len(set(each)) == 1 for each in copies.values())
    doubled = [to.split("-")[1] for (to, _), each in copies.items() if len(each) > 1]
    assert all(len(each) <= 2 for each in copies.values())
    assert len(doubled) == len(set(doubled))
    assert 0 < len(doubled) < len(cases) / 2
