"""The embedded target over HTTP/1.1.

`server` listens, `connection` is one client's connection, `request` reads, `reply` writes, `routes` says who answers what.
"""
