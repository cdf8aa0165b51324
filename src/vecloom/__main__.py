"""``python -m vecloom`` is ``vecloom``."""

from vecloom.cli import main

if __name__ == "__main__":
    main()
