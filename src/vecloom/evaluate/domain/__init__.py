"""What a domain is like: how hard its texts are, and whether models are worse on it once that is controlled."""
