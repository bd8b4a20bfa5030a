"""`python -m panal`: the same as the `panal` command."""

from panal.cli.main import program

if __name__ == "__main__":
    program()
