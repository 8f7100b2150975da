"""`python -m hauberk.cli`: the commands, of the interpreter that runs."""

from . import main

main()
