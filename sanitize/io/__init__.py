"""Parquet data sets in and out: which files there are, their footers and rows, and files that are whole or not there.

remote.py   addresses with a protocol
destinations.py  which places may be written to
private.py  folders that this user alone can write to
claims.py   the hidden folder beside an output, which one run at a time has
atomic.py   files that are whole or not there
transaction.py   many outputs as one, by a run that may be killed and gone on with
locks.py    one stage at a time
regular.py  files are opened only if they are files: no pipe, no device
listing.py  a folder or a pattern -> its files, each once
splits.py   which split a file belongs to, by its name
thrift.py   a parquet footer as a tree, and back
layout.py   how values and schema survive that pyarrow would change
sizes.py    how many rows make a batch in memory
rows.py     batches as a stream of rows
writer.py   rows into a file that looks like the one they came from
"""
