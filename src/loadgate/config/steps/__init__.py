"""The declarative steps of a scenario: exchanges of each protocol, think times, and named groups of steps.

`reading` reads a list of them and knows the kinds by their keys; `exchange` is what every exchange has; then one file a
protocol.
"""

from loadgate.config.steps.exchange import ExchangeStep, Think
from loadgate.config.steps.graphql import GraphqlStep
from loadgate.config.steps.grpc import GrpcStep
from loadgate.config.steps.http import RequestStep
from loadgate.config.steps.reading import GroupStep, Step, ThinkStep, exchanges_of, read_steps, requests_of
from loadgate.config.steps.websocket import MessageStep, SessionStep

__all__ = [
    "ExchangeStep",
    "GraphqlStep",
    "GroupStep",
    "GrpcStep",
    "MessageStep",
    "RequestStep",
    "SessionStep",
    "Step",
    "Think",
    "ThinkStep",
    "exchanges_of",
    "read_steps",
    "requests_of",
]
