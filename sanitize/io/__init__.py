"""Parquet data sets in and out: which files there are, their footers and rows, and files that are whole or not there.

remote.py   addresses with a protocol
"""
