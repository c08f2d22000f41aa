"""`python -m calrun` is the command `calrun`."""

from calrun.cli import main

main()
