"""Inputs as other people write them, each run through the command on files: `python -m tests.inputs`."""
