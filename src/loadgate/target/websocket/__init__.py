"""The embedded target over WebSocket (RFC 6455).

`frames` reads and writes frames, `handshake` answers the request to upgrade, `connection` is one client's connection, `echo`
is what is served.
"""
