"""`python -m sanitize` is the `sanitize` command."""

from sanitize.cli import main

main()
