"""Parquet data sets in and out: which files there are, their footers and rows, and files that are whole or not there.

remote.py   addresses with a protocol
regular.py  files are opened only if they are files: no pipe, no device
listing.py  a folder or a pattern -> its files, each once
splits.py   which split a file belongs to, by its name
"""
