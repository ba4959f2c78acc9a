"""`python -m iit` is the command `iit`."""

from iit.cli.main import run

if __name__ == "__main__":
    run()
