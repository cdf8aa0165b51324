"""Small model folders of every kind that sentence-transformers 6.2 can save, and of kinds that are published beside them.

Each layout is a function that writes a folder with random weights. ``LAYOUTS`` names those whose vectors must equal
sentence-transformers' own; ``REFUSED`` those that are not dense encoders, with words of the sentence that says so.
"""

from tests.encoders.zoo.networks import NETWORKS
from tests.encoders.zoo.pipelines import PIPELINES
from tests.encoders.zoo.refused import REFUSED
from tests.encoders.zoo.storage import STORAGE

LAYOUTS = {**NETWORKS, **PIPELINES, **STORAGE}

__all__ = ["LAYOUTS", "REFUSED"]
