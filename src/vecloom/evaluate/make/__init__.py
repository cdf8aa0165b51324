"""Task makers: data sets in the on-disk form of a local task, generated or built from a user's own files."""
