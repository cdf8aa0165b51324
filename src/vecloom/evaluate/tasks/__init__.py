"""Tasks: local data sets read and checked, mteb's own by name, and what TASK on the command line means."""
