"""Measurements that anyone can repeat: ``make bench-NAME`` prints a table and writes JSON.

Nothing here is part of the package, and no test depends on a time measured here.
"""
