"""The request of a declarative step: parts that may hold templates, put together once or at each iteration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from loadgate.clients.http.content import form_body, multipart_body
from loadgate.clients.http.request import Auth, encode_body, header_line
from loadgate.config.body import Body, FieldPart, FileBody, FilePart, FormBody, JsonBody, TextBody
from loadgate.config.expect import CaptureFrom
from loadgate.config.steps import ExchangeStep, RequestStep
from loadgate.config.target import BasicAuth
from loadgate.config.template import Template
from loadgate.errors import Problem
from loadgate.script.expression import Scope
from loadgate.script.template import Compiled, TemplateCompiler, always

if TYPE_CHECKING:
    from loadgate.clients.http.client import HttpClient
    from loadgate.clients.http.request import Request

_Content = tuple[bytes | None, str | None]
"""Body and content type."""


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """How to make a step's request. Where `fixed`, any scope gives the same request."""

    method: str
    name: str | None
    url: Compiled
    headers: tuple[tuple[str, Compiled], ...] = ()
    query: tuple[tuple[str, Compiled], ...] = ()
    content: Compiled | None = None
    auth: Compiled | None = None
    timeout: float | None = None
    redirects: int | None = None
    expected: frozenset[int] | None = None
    keeps_body: bool = True

    @property
    def fixed(self) -> bool:
        parts = [self.url, *(value for _, value in (*self.headers, *self.query)), self.content, self.auth]
        return all(part is None or part.fixed for part in parts)

    def prepare(self, http: HttpClient, scope: Scope) -> Request:
        """The request, under the present tags of `http`. Raises Unresolved, and ValueError for what cannot be sent."""
        url = self.url.render(scope)
        if self.query:
            pairs = [f"{quote(name, safe='')}={quote(value.render(scope), safe='')}" for name, value in self.query]
            url += ("&" if "?" in url else "?") + "&".join(pairs)
        body, content_type = (None, None) if self.content is None else self.content.render(scope)
        return http.prepare(
            self.method,
            url,
            headers={name: value.render(scope) for name, value in self.headers} if self.headers else None,
            body=body,
            content_type=content_type,
            name=self.name,
            expected=self.expected,
            auth=None if self.auth is None else self.auth.render(scope),
            timeout=self.timeout,
            redirects=self.redirects,
            keeps_body=self.keeps_body,
        )


def fixed_request(method: str, url: str, *, headers: Mapping[str, str], body: bytes | None) -> RequestPlan:
    """A request without templates, named by its method and path."""
    return RequestPlan(
        method=method.upper(),
        name=None,
        url=always(url),
        headers=tuple((name, always(value)) for name, value in headers.items()),
        content=None if body is None else always((body, None)),
        keeps_body=False,
    )


def compile_request(step: RequestStep, compiler: TemplateCompiler, problems: list[Problem]) -> RequestPlan:
    """The request of `step`; what is wrong with it goes into `problems`. Files are read here, once."""
    return RequestPlan(
        method=step.method,
        name=step.name,
        url=compile_url(step.url, compiler, problems),
        headers=compile_headers(step.headers, compiler, problems),
        query=compile_texts(step.query, compiler),
        content=None if step.body is None else _content(step.body, compiler),
        auth=compile_auth(step, compiler),
        timeout=step.timeout,
        redirects=step.redirects,
        expected=step.expect.status,
        keeps_body=bool(step.expect.body_contains or step.expect.json)
        or any(capture.source is not CaptureFrom.HEADER for capture in step.captures),
    )


def compile_url(written: Template, compiler: TemplateCompiler, problems: list[Problem]) -> Compiled:
    """A path on the target or an absolute URL; what is neither as soon as it is filled in is a problem."""
    url = compiler.url(written)
    if url.fixed and not url.value.startswith("/") and "://" not in url.value:
        note = "begin with / for a path on the target, or give an absolute URL"
        problems.append(Problem(f"`{written.text}` is neither a path nor a URL", written.span, "", note))
    return url


def compile_headers(
    templates: Mapping[str, Template], compiler: TemplateCompiler, problems: list[Problem]
) -> tuple[tuple[str, Compiled], ...]:
    """As `compile_texts`; a fixed value that cannot be sent, such as a token from the environment with a line break, is a
    problem."""
    texts = compile_texts(templates, compiler)
    for name, value in texts:
        try:
            if value.fixed:
                header_line(name, value.value)
        except ValueError as error:
            problems.append(Problem(str(error), templates[name].span))
    return texts


def compile_texts(templates: Mapping[str, Template], compiler: TemplateCompiler) -> tuple[tuple[str, Compiled], ...]:
    """Names and their texts, in order."""
    return tuple((name, compiler.text(template)) for name, template in templates.items())


def _content(body: Body, compiler: TemplateCompiler) -> Compiled:
    if isinstance(body, JsonBody):
        return _made_of(
            [compiler.json(body.value)], lambda values: encode_body(json=values[0]) if values[0] is not None else _NULL
        )
    if isinstance(body, TextBody):
        return _made_of([compiler.text(body.text)], lambda values: (values[0].encode("utf-8"), None))
    if isinstance(body, FileBody):
        return always((body.path.read_bytes(), None))
    if isinstance(body, FormBody):
        names = [name for name, _ in body.fields]
        return _made_of(
            [compiler.text(value) for _, value in body.fields],
            lambda values: form_body(dict(zip(names, values, strict=True))),
        )
    texts = [part for part in body.parts if isinstance(part, FieldPart)]
    files = {part.name: _file(part) for part in body.parts if isinstance(part, FilePart)}
    return _made_of(
        [compiler.text(part.value) for part in texts],
        lambda values: multipart_body({part.name: value for part, value in zip(texts, values, strict=True)}, files),
    )


_NULL: _Content = (b"null", "application/json")


def _file(part: FilePart) -> tuple[str, bytes] | tuple[str, bytes, str]:
    content = part.path.read_bytes()
    return (part.filename, content) if part.content_type is None else (part.filename, content, part.content_type)


def compile_auth(step: ExchangeStep, compiler: TemplateCompiler) -> Compiled | None:
    """The credentials of `step`, whatever its protocol."""
    if step.auth is None:
        return None
    if isinstance(step.auth, BasicAuth):
        parts = [compiler.text(step.auth.user), compiler.text(step.auth.password)]
        return _made_of(parts, lambda values: (values[0], values[1]))
    return compiler.text(step.auth.token)


def _made_of(parts: list[Compiled], make: Callable[[list[Any]], _Content | Auth]) -> Compiled:
    """What `make` makes of the values of `parts`: now, if none of them ever changes."""
    if all(part.fixed for part in parts):
        return always(make([part.value for part in parts]))
    renders = tuple(part.render for part in parts)
    return Compiled(lambda scope: make([render(scope) for render in renders]), fixed=False)
