"""`python3 -m dashboard COMMAND`: set up what the command needs, then run it."""

from dashboard import bootstrap

if __name__ == "__main__":
    bootstrap.main()
