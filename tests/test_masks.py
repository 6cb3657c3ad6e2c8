"""Secrets in texts: found by shape or by the name beside them, in time that grows as the text does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.masks import mask_source, redact_text, redact_url

SECRET = "s3cr3t-Value"


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("http://ann:pw@host/x", "http://ann:***@host/x"),
        ("http://ann:p@w@host/", "http://ann:***@host/"),
        ("http://ann:p/w@host/", "http://ann:***@host/"),
        ("https://token@host", "https://***@host"),
        ("cannot read http:/ann:pw@host", "cannot read http:/ann:***@host"),
        ("//ann:pw@host/", "//ann:***@host/"),
        ("ann:pw@host:3000", "ann:***@host:3000"),
        ("http://host/?token=abc&page=2", "http://host/?token=***&page=2"),
        ("http://host/?page=2&key=abc#top", "http://host/?page=2&key=***#top"),
        (
            "http://host/?X-Amz-Signature=abc&X-Amz-Credential=a%2Fb",
            "http://host/?X-Amz-Signature=***&X-Amz-Credential=***",
        ),
        ("http://host/cb?code=abc&state=1", "http://host/cb?code=***&state=1"),
        ("http://host/a?next=/b?sid=abc", "http://host/a?next=/b?sid=***"),
        ("http://host/?user[password]=abc", "http://host/?user[password]=***"),
        ("http://host/#access_token=abc", "http://host/#access_token=***"),
        ("(see http://host/?sig=abc).", "(see http://host/?sig=***)."),
        ("--url 'http://host/?jwt=abc' -q", "--url 'http://host/?jwt=***' -q"),
        (
            "http://host/?keyword=abc&monkey=b&barcode=c&sessions=4",
            "http://host/?keyword=abc&monkey=b&barcode=c&sessions=4",
        ),
        ("http://host/?sort_key=abc&country_code=de&signal=1", "http://host/?sort_key=abc&country_code=de&signal=1"),
        ("http://host:80/users/@ann?page=1#x@y", "http://host:80/users/@ann?page=1#x@y"),
        ("http+unix://%2Ftmp%2Fa.sock/x", "http+unix://%2Ftmp%2Fa.sock/x"),
        ("see http://a:b@h/ and http://c:d@h/", "see http://a:***@h/ and http://c:***@h/"),
    ],
)
def test_a_password_in_a_url_is_redacted_and_the_rest_kept(url: str, redacted: str) -> None:
    assert redact_url(url) == redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"GET http://me:{SECRET}@host/ refused", "GET http://me:***@host/ refused"),
        (f"Authorization: Bearer {SECRET}", "Authorization: ***"),
        (f"authorization={SECRET} rest", "authorization=***"),
        (f"{{'Authorization': 'Basic {SECRET}', 'a': 'b'}}", "{'Authorization': '***', 'a': 'b'}"),
        (f"Set-Cookie: sid={SECRET}; Path=/\nContent-Length: 3", "Set-Cookie: ***\nContent-Length: 3"),
        (f"X-Api-Key: {SECRET}", "X-Api-Key: ***"),
        (f'{{"access_token":"{SECRET}","expires":3}}', '{"access_token":"***","expires":3}'),
        (f'{{"password": "a\\"{SECRET}"}}', '{"password": "***"}'),
        (f"client_secret={SECRET}&a=1", "client_secret=***&a=1"),
        ("the token Bearer eyJhbGci.Oi9J is old", "the token Bearer *** is old"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.c2ln, which is old", "got ***, which is old"),
        (f'{{"key": "{SECRET}", "jwt": "{SECRET}"}}', '{"key": "***", "jwt": "***"}'),
        (f"{{'session': '{SECRET}', 'sid': '{SECRET}'}}", "{'session': '***', 'sid': '***'}"),
        (f'{{"code": "{SECRET}"}}', '{"code": "***"}'),
        (f'"{{\\"password\\": \\"{SECRET}\\"}}"', '"{\\"password\\": \\"***\\"}"'),
        (f"key={SECRET}&page=2", "key=***&page=2"),
        (f"PHPSESSID={SECRET}", "PHPSESSID=***"),
        (f"privateKey: {SECRET}", "privateKey: ***"),
    ],
)
def test_what_looks_like_a_secret_in_a_text_is_masked(text: str, shown: str) -> None:
    assert redact_text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "expected status 200, got 500",
        "http_req_duration p(95)<500: 612 ms",
        "basic authentication required",
        "load.py:12: KeyError: 'token'",
        "127.0.0.1:3000: connection refused (3 tries)",
        "status is 200 at 12:30:45",
        "the password was wrong",
        "user@example.com was not found",
        "the key: a, the code: 7, the session: over",
        "cache key=users:1 was missed",
        "KeyError: 'key'",
        '{"code": 404, "keyword": "red", "monkey": "Bo"}',
        '{"code": "NOT_FOUND", "status": "404"}',
        "{'code': '23505'}",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact_text(text) == text


WORDS = ["Authorization", "Bearer ", "Basic ", "token", "password", "Cookie", "a1B2c3D4", "http", "://", "***"]
PIECES = st.sampled_from(WORDS) | st.sampled_from("h:=@?&;,/{}\\\"' \n")


@given(st.lists(PIECES, max_size=14).map("".join))
def test_masking_comes_to_an_end(text: str) -> None:
    """What one outlet masked, another may mask again: that may take more of an odd text, and then nothing."""
    twice = redact_text(redact_text(text))
    assert redact_text(twice) == twice


NAMES = ["key", "sig", "code", "jwt", "session", "sid", "signature", "token", "X-Amz-Credential", "api_key", "password"]
PLACES = ["http://h/?{}={}", "/a?b=1&{}={}&c=2", "GET /?{}={} failed", '{{"{}": "{}"}}', "{{'a': 1, '{}': '{}'}}"]


@given(
    st.sampled_from(NAMES),
    st.sampled_from(PLACES),
    st.from_regex(r"[A-Za-z0-9+/_~-]{6,40}[0-9][A-Z]", fullmatch=True),
    st.lists(PIECES, max_size=6).map("".join),
    st.lists(PIECES, max_size=6).map("".join),
)
def test_a_secret_beside_its_name_goes_whatever_stands_around(
    name: str, place: str, secret: str, before: str, after: str
) -> None:
    assert secret not in redact_text(f"{before} {place.format(name, secret)} {after}")


@given(st.lists(PIECES, max_size=14).map("".join))
def test_a_masked_line_is_as_long_as_it_was(line: str) -> None:
    assert len(mask_source(line)) == len(line)


HARD = [
    "a", "x-", "x-key-", "a:", "a.", "=", "&", "?a", "?token", "token", "token:", "token ", "://", "://a:b/", "a:b@ ", "a@",
    "eyJ-", "eyJaaaaaaaa.", "bearer ", "basic-", "key=", "(key=", '"code":"', '"key":"\\', "password=\\", "cookie", "a.sid",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("piece", HARD)
def test_a_long_text_is_read_in_time_that_grows_as_it_does(piece: str) -> None:
    """No time is measured: a search that begins again at every character would need minutes to days for each."""
    text = piece * (200_000 // len(piece)) + '@=&"'
    redact_text.__wrapped__(text)
    assert len(mask_source(text)) == len(text)
