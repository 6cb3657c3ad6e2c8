"""HTTP/1.1 on `asyncio.Protocol`: a lean client of our own, because every general one costs several times more.

Figures: `bench/RESULTS.md`. `client` is what scenarios use, `connection` the hot path, the rest the unusual cases.
"""

from loadgate.clients.http.client import HttpClient
from loadgate.clients.http.request import Auth, Request, RequestDefaults
from loadgate.clients.http.response import Headers, Response
from loadgate.clients.http.stack import HttpStack

__all__ = ["Auth", "Headers", "HttpClient", "HttpStack", "Request", "RequestDefaults", "Response"]
