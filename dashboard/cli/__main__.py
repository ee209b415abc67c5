"""`python -m dashboard.cli`: the commands, once the set-up is done."""

from dashboard.cli import main

if __name__ == "__main__":
    main()
