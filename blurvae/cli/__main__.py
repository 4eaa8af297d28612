"""`python -m blurvae.cli` is the command `blurvae`, where it is not on the path."""

from blurvae.cli import main

if __name__ == "__main__":
    main()
