"""The web page over the served indexes: search, documents, comparison and a map.

Every page is made on the server and works without JavaScript; ``assets/page.js`` adds answers while typing and keys, and
only the map needs it. Nothing is loaded from elsewhere, and the policy that each answer carries allows nothing else.

``question`` reads what a request asks, ``finding`` answers it from an index, ``highlight`` chooses what is shown of a hit,
``projection`` and ``maps`` make the map, ``routes`` put it together.
"""
