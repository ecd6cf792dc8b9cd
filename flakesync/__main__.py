"""`python -m flakesync`."""

from flakesync.cli.main import main

if __name__ == "__main__":
    main()
