"""The reading room: the literature desk behind the page, where readers mark papers, subscribe, log in and follow links of mails.

The desk itself (``vecloom.desk``) knows no HTTP and no clock; here is what brings both. ``room`` holds what is open, ``papers``
is one index as one reader sees it, ``visitors`` says who asks, ``pace`` how often one may, ``post`` sends confirmation and login
mails; ``forms``, ``links`` and ``pages`` are the routes. Without ``vecloom serve --desk`` there is no room.
"""
