"""`python -m wyner`: the command line."""

from wyner.cli import main

main()
