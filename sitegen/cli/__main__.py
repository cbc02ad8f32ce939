"""`python -m sitegen.cli`: the command line where no script is installed."""

from sitegen.cli import main

main()
