"""``vecloom index --watch`` with a model that is there at once, as a process to be stopped or killed.

python watching.py INPUT... -i INDEX [OPTION...]
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "search"))

from fakes import HashEncoder

import vecloom as library
from vecloom.cli import vecloom

library.load = lambda *_, **__: HashEncoder()
vecloom(["index", "--watch", *sys.argv[1:]])
