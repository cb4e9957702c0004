"""Signing in with a token and out again; forms that did not come from our pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.server.pages import Site, Visitors
from hourtally.server.tokens import TokensFile, add_token, remove_token
from tests.support.homes.eventful_home import FIRST_HOUR, eventful_home
from tests.support.pages import Answer, Visitor, sources

NOW = "2026-11-22T20"


class Server:
    """A site with two customers' tokens, and a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.tokens = folder / "tokens"
        self.acme = add_token(self.tokens, "acme", 0)
        self.globex = add_token(self.tokens, "globex", 0)
        self.seconds = 0.0
        file = TokensFile(self.tokens)
        visitors = Visitors(
            customer_of=lambda token: None if token is None else file.customer_of(token),
            seconds=lambda: self.seconds,
        )
        self.site = Site(sources(eventful_home(folder).root, NOW), visitors)

    def visitor(self) -> Visitor:
        return Visitor(self.site)

    def signed_in(self, token: str) -> Visitor:
        visitor = self.visitor()
        assert sign_in(visitor, token).status == 303
        return visitor


def sign_in(visitor: Visitor, token: str, **headers: str) -> Answer:
    form = {"form": visitor.form_token(visitor.get("/")), "token": token, "address": "/"}
    return visitor.post("/signin", form, **headers)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_without_a_session_every_page_is_the_form_to_sign_in(server: Server) -> None:
    top, deep = server.visitor().get("/"), server.visitor().get(f"/hours/{FIRST_HOUR}?teamId=web")

    assert (top.status, deep.status) == (200, 401)
    assert 'name="token"' in top.text
    assert f'value="/hours/{FIRST_HOUR}?teamId=web"' in deep.text
    assert "acme" not in top.text + deep.text


def test_a_token_opens_the_pages_of_its_customer_and_of_nobody_else(server: Server) -> None:
    acme, globex = server.signed_in(server.acme), server.signed_in(server.globex)

    assert "5.833333334 cents" in acme.get("/").words
    assert "20 cents" in globex.get("/").words
    assert acme.get("/").customer == "acme"
    assert "Signed in as acme" in acme.get("/").words


def test_after_signing_in_one_is_where_one_wanted_to_be(server: Server) -> None:
    visitor = server.visitor()
    token = visitor.form_token(visitor.get(f"/hours/{FIRST_HOUR}"))
    form = {"form": token, "token": server.acme, "address": f"/hours/{FIRST_HOUR}"}

    assert visitor.post("/signin", form).headers["location"] == f"/hours/{FIRST_HOUR}"


@pytest.mark.parametrize("address", ["//evil.example", "/\\evil.example", "https://evil.example"])
def test_signing_in_leads_to_no_other_site(server: Server, address: str) -> None:
    visitor = server.visitor()
    form = {
        "form": visitor.form_token(visitor.get("/")),
        "token": server.acme,
        "address": address,
    }

    assert visitor.post("/signin", form).headers["location"] == "/"


def test_the_cookie_is_of_this_site_alone_and_says_nothing(server: Server) -> None:
    answer = sign_in(server.visitor(), server.acme)
    cookie = answer.headers["set-cookie"]

    assert cookie.startswith("hourtally-session=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200")
    assert server.acme not in cookie
    assert "acme" not in cookie


def test_behind_tls_the_cookie_is_secure_and_of_this_host(server: Server) -> None:
    visitor = server.visitor()
    answer = visitor.get("/", x_forwarded_proto="https")

    assert answer.headers["set-cookie"].startswith("__Host-hourtally-session=")
    assert "; Secure" in answer.headers["set-cookie"]


def test_a_chain_of_proxies_tells_what_the_client_spoke(server: Server) -> None:
    secure = server.visitor().get("/", x_forwarded_proto="https, http")
    plain = server.visitor().get("/", x_forwarded_proto="http, https")

    assert "; Secure" in secure.headers["set-cookie"]
    assert "; Secure" not in plain.headers["set-cookie"]


def test_two_tabs_may_have_the_form_open(server: Server) -> None:
    visitor = server.visitor()
    first = visitor.form_token(visitor.get("/"))
    visitor.get(f"/hours/{FIRST_HOUR}")

    answer = visitor.post("/signin", {"form": first, "token": server.acme, "address": "/"})

    assert answer.status == 303


def test_signing_in_gives_another_key_than_the_form_had(server: Server) -> None:
    visitor = server.visitor()
    visitor.get("/")
    before = dict(visitor.cookies)
    sign_in(visitor, server.acme)

    assert visitor.cookies != before


def test_a_wrong_token_is_refused_and_opens_nothing(server: Server) -> None:
    visitor = server.visitor()
    answer = sign_in(visitor, "hourtally_wrong")

    assert answer.status == 403
    assert "This token is not valid" in answer.words
    assert "hourtally_wrong" not in answer.text
    assert visitor.get(f"/hours/{FIRST_HOUR}").status == 401


def test_a_form_without_its_own_token_is_refused(server: Server) -> None:
    visitor, other = server.signed_in(server.acme), server.signed_in(server.globex)
    theirs = other.form_token(other.get("/"))

    for form in ({}, {"form": ""}, {"form": "0" * 64}, {"form": theirs}):
        assert visitor.post("/signout", form).status == 403
        assert visitor.post("/signin", form | {"token": server.globex}).status == 403
    assert visitor.get("/").customer == "acme"


def test_a_form_from_another_site_is_refused(server: Server) -> None:
    visitor = server.visitor()
    form = {"form": visitor.form_token(visitor.get("/")), "token": server.acme}

    assert visitor.post("/signin", form, origin="https://evil.example").status == 403
    assert visitor.post("/signin", form, origin="null").status == 403
    assert visitor.post("/signin", form, sec_fetch_site="cross-site").status == 403
    assert visitor.post("/signin", form, sec_fetch_site="same-site").status == 403
    assert visitor.post("/signin", form, origin="http://127.0.0.1:8081").status == 303


def test_a_session_ends_after_12_hours(server: Server) -> None:
    visitor = server.signed_in(server.acme)
    server.seconds = 12 * 3_600 - 1
    assert visitor.get("/").customer == "acme"

    server.seconds = 12 * 3_600

    assert visitor.get(f"/hours/{FIRST_HOUR}").status == 401


def test_signing_out_ends_the_session_also_for_who_kept_the_cookie(server: Server) -> None:
    visitor = server.signed_in(server.acme)
    kept = Visitor(server.site, cookies=dict(visitor.cookies))

    answer = visitor.post("/signout", {"form": visitor.form_token(visitor.get("/"))})

    assert answer.status == 303
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert kept.get(f"/hours/{FIRST_HOUR}").status == 401


def test_a_revoked_token_ends_its_sessions(server: Server) -> None:
    visitor, other = server.signed_in(server.acme), server.signed_in(server.globex)
    [line] = [one for one in server.tokens.read_text().splitlines() if "acme" in one]
    remove_token(server.tokens, line.partition('"sha256": "')[2][:16])

    assert visitor.get(f"/hours/{FIRST_HOUR}").status == 401
    assert other.get("/").customer == "globex"


def test_while_tokens_cannot_be_read_nobody_gets_in(server: Server) -> None:
    visitor = server.signed_in(server.acme)
    server.tokens.write_text("nonsense\n")

    answer = visitor.get("/")

    assert answer.status == 503
    assert str(server.tokens) not in answer.text
