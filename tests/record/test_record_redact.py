"""Secrets: never in what is kept, and what is no secret stays readable."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.record.redact import redact_command

SECRET = "s3cr3t-Value"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--header", f"Authorization: Bearer {SECRET}"], "--header 'Authorization: ***'"),
        (["--header", f"X-Anything:{SECRET}"], "--header 'X-Anything: ***'"),
        (["--header", SECRET], "--header '***'"),
        ([f"--header=Cookie: a={SECRET}"], "'--header=Cookie: ***'"),
        (["-H", f"Cookie: a={SECRET}"], "-H 'Cookie: ***'"),
        ([f"-HCookie: a={SECRET}"], "'-HCookie: ***'"),
        ([f"-qHCookie: a={SECRET}"], "'-qHCookie: ***'"),
        (["-qH", f"Cookie: a={SECRET}"], "-qH 'Cookie: ***'"),
        ([f"-HCookie: a=1\r\nX-Other: {SECRET}"], "'-HCookie: ***'"),
        (["-H", f"Cookie: a=1\r\nX-Other: {SECRET}"], "-H 'Cookie: ***'"),
        (["--bearer", SECRET], "--bearer '***'"),
        ([f"--bearer={SECRET}"], "'--bearer=***'"),
        (["--bearer", f"--{SECRET}"], "--bearer '***'"),
        (["--auth", f"me:{SECRET}"], "--auth 'me:***'"),
        (["--auth", SECRET], "--auth '***'"),
        ([f"--auth=me:{SECRET}:{SECRET}"], "'--auth=me:***'"),
        (["--api-key", SECRET], "--api-key '***'"),
        (["--db-password", SECRET, "--vus", "3"], "--db-password '***' --vus 3"),
        (["--url", f"http://me:{SECRET}@host:1/a"], "--url 'http://me:***@host:1/a'"),
        (["--url", f"http://{SECRET}@host:1/a"], "--url 'http://***@host:1/a'"),
        ([f"--url=https://host/?a=1&access_token={SECRET}&b=2"], "'--url=https://host/?a=1&access_token=***&b=2'"),
        (["--url", f"me:{SECRET}@host/a"], "--url 'me:***@host/a'"),
        (["--body", SECRET], "--body '<12 bytes>'"),
        ([f"--body={SECRET}"], "'--body=<12 bytes>'"),
        (["--body", "\u00e9\udc80"], "--body '<3 bytes>'"),
        (["--body", ""], "--body '<0 bytes>'"),
        (["--body", f"--{SECRET}", "--vus", "3"], "--body '<14 bytes>' --vus 3"),
        (["--url", f"http://h/?key={SECRET}&keyword=a"], "--url 'http://h/?key=***&keyword=a'"),
        (["-e", f"API_TOKEN={SECRET}"], "-e 'API_TOKEN=***'"),
        (["--", f"http://me:{SECRET}@host"], "-- 'http://me:***@host'"),
        (["--base", f"app --token {SECRET}"], """--base 'app --token '"'"'***'"'"''"""),
        (["--head", f"http://me:{SECRET}@host"], "--head 'http://me:***@host'"),
        ([f"--build=make TOKEN={SECRET}"], """'--build=make '"'"'TOKEN=***'"'"''"""),
        (["--base", "app --port {port}"], "--base 'app --port {port}'"),
    ],
)
def test_a_secret_on_the_command_line_is_masked(words: list[str], shown: str) -> None:
    assert redact_command(["loadgate", "run", *words]) == f"loadgate run {shown}"


@pytest.mark.parametrize(
    "words",
    [
        ["run", "load.py", "--vus", "10", "--duration", "30s"],
        ["run", "--threshold", "http_req_duration: p(95)<500"],
        ["run", "--threshold", "http_req_duration{name:GET /a}: p(95)<500"],
        ["run", "--url", "http://127.0.0.1:3000/users/1?page=2#top"],
        ["run", "-XHEAD", "--rate", "500/s", "--stage", "1m:100"],
        ["run", "--out", "/tmp/my results", "it's"],
        ["run", "--no-cookies", "load.py"],
        ["run", "--bearer"],
        ["run", "-"],
        ["run", ""],
    ],
)
def test_a_command_line_without_secrets_stays_one_to_copy_into_a_shell(words: list[str]) -> None:
    assert shlex.split(redact_command(["loadgate", *words])) == ["loadgate", *words]


@pytest.mark.parametrize(
    ("program", "shown"),
    [("/opt/venv/bin/loadgate", "loadgate"), ("/opt/lib/loadgate/__main__.py", "loadgate"), ("lg", "lg")],
)
def test_the_program_is_shown_by_its_name(program: str, shown: str) -> None:
    assert redact_command([program, "run"]) == f"{shown} run"


def test_no_command_line_at_all_is_an_empty_text() -> None:
    assert redact_command([]) == ""


@given(st.lists(st.text(max_size=6), max_size=4))
def test_any_command_line_gives_words_a_shell_reads(words: list[str]) -> None:
    assert len(shlex.split(redact_command(["loadgate", *words]))) == len(words) + 1
