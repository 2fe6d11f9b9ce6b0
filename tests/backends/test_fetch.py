"""Fetching for somebody else: what is had, and what is out of reach however it is spelled."""

import gzip
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import httpcore
import pytest

from ingest.errors import UnsupportedFile
from ingest.parsers import SUPPORTED
from rag_api.backends.fetch import Fetcher, FetchLimits, Reach
from rag_api.errors import FetchFailed, FetchTimedOut, PageTooLarge, UrlRefused
from tests.web_server import Reply, Site, open_site

PAGE = b"<html><title>Well</title><p>The well is 42 metres deep.</p></html>"
PUBLIC, PRIVATE = "93.184.216.34", "10.0.0.7"
LIMITS = FetchLimits(100_000, 5)


class Names:
    """A resolver: each name has a list of answers, one for each time it is asked; the last one stays."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): list(turns) for name, turns in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        turns = self.answers.get(host)
        if turns is None:
            raise socket.gaierror(-2, "Name or service not known")
        return turns.pop(0) if len(turns) > 1 else turns[0]


class Internet(httpcore.AsyncNetworkBackend):
    """A network on which each address leads to one site on loopback; notes which addresses were dialled."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.dialled: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.dialled.append(host)
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self._site.port, timeout)


def fetcher_of(site: Site, limits: FetchLimits = LIMITS) -> Fetcher:
    """One that may go anywhere."""
    return Fetcher(Reach(allow_private=True), limits)


async def read(fetcher: Fetcher, url: str) -> tuple[str, bytes]:
    fetched = await fetcher.fetch(url, wanted=SUPPORTED)
    with fetched.file:
        return fetched.media_type, fetched.file.read()


async def test_a_page_is_had_with_its_media_type() -> None:
    async with open_site(well=Reply(PAGE)) as site:
        assert await read(fetcher_of(site), f"{site.url}/well") == ("text/html", PAGE)


async def test_a_packed_page_is_unpacked() -> None:
    packed = gzip.compress(PAGE[:30]) + gzip.compress(PAGE[30:])
    async with open_site(well=Reply(packed, headers={"Content-Encoding": "gzip"})) as site:
        assert (await read(fetcher_of(site), f"{site.url}/well"))[1] == PAGE


async def test_redirects_are_followed_and_the_last_url_is_told() -> None:
    async with open_site(
        a=Reply(status=302, headers={"Location": "b?x=1#top"}),
        **{"b?x=1": Reply(status=308, headers={"Location": "/c"}), "c": Reply(PAGE)},
    ) as site:
        fetched = await fetcher_of(site).fetch(f"{site.url}/a", wanted=SUPPORTED)
        with fetched.file:
            assert (fetched.url, fetched.file.read()) == (f"{site.url}/c", PAGE)


async def test_the_name_is_kept_in_host_while_the_checked_address_is_dialled() -> None:
    async with open_site(well=Reply(PAGE)) as site:
        internet, names = Internet(site), Names(example_org=[[PUBLIC]])
        fetcher = Fetcher(Reach(), LIMITS, resolve=names, network=internet)
        assert (await read(fetcher, "http://Example.ORG/well"))[1] == PAGE
    assert (internet.dialled, site.hosts, names.asked) == ([PUBLIC], ["example.org"], ["example.org"])


SPELLINGS = (
    "127.0.0.1",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "127.0.0.1.",
    "0",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "①②⑦.⓪.⓪.①",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
)


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_this_machine_is_reached(host: str) -> None:
    """With the system's own resolver and real sockets: the canary hears nothing."""
    async with open_site(home=Reply(b"the secret")) as canary:
        fetcher = Fetcher(Reach(ports=frozenset({canary.port})), LIMITS)
        with pytest.raises((UrlRefused, FetchFailed)):
            await read(fetcher, f"http://{host}:{canary.port}/")
        assert canary.asked == []


PRIVATE_ADDRESSES = (
    *("10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1", "100.100.100.200"),
    *("0.0.0.0", "127.8.8.8", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.0.192", "198.18.0.1"),
    *("168.63.129.16", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"),
    *("::ffff:10.0.0.1", "::10.0.0.1", "2002:a00:1::", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2001:0:1::1"),
    *("2001:db8::1", "100::1", "3fff::1", "5f00::1"),
)


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
async def test_a_name_with_an_address_that_is_not_public_is_not_dialled(address: str) -> None:
    async with open_site() as site:
        internet = Internet(site)
        fetcher = Fetcher(Reach(), LIMITS, resolve=Names(evil_org=[[address]]), network=internet)
        with pytest.raises(UrlRefused) as caught:
            await read(fetcher, "http://evil.org/")
    assert internet.dialled == []
    assert address not in str(caught.value)  # what the name resolves to is nothing to tell a stranger


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "172.32.0.1", "2606:2800:220:1::1", "2002:808:808::1"])
async def test_public_addresses_are_dialled(address: str) -> None:
    async with open_site(home=Reply(PAGE)) as site:
        internet = Internet(site)
        fetcher = Fetcher(Reach(), LIMITS, resolve=Names(good_org=[[address]]), network=internet)
        assert (await read(fetcher, "http://good.org/"))[1] == PAGE
    assert internet.dialled == [address]


@pytest.mark.parametrize("answer", [[PUBLIC, PRIVATE], [PRIVATE, PUBLIC], [PUBLIC, "::1"]])
async def test_one_private_answer_among_public_ones_spoils_the_name(answer: list[str]) -> None:
    async with open_site(home=Reply(PAGE)) as site:
        internet = Internet(site)
        fetcher = Fetcher(Reach(), LIMITS, resolve=Names(evil_org=[answer]), network=internet)
        with pytest.raises(UrlRefused):
            await read(fetcher, "http://evil.org/")
    assert internet.dialled == []


async def test_a_name_that_answers_public_first_and_private_then_is_asked_once_a_hop() -> None:
    async with open_site(
        once=Reply(PAGE), twice=Reply(status=302, headers={"Location": "http://evil.org/once"})
    ) as site:
        names, internet = Names(evil_org=[[PUBLIC], [PRIVATE]]), Internet(site)
        fetcher = Fetcher(Reach(), LIMITS, resolve=names, network=internet)
        assert (await read(fetcher, "http://evil.org/once"))[1] == PAGE
        assert (names.asked, internet.dialled) == (["evil.org"], [PUBLIC])

        names, internet = Names(evil_org=[[PUBLIC], [PRIVATE]]), Internet(site)
        fetcher = Fetcher(Reach(), LIMITS, resolve=names, network=internet)
        with pytest.raises(UrlRefused):
            await read(fetcher, "http://evil.org/twice")
        assert (names.asked, internet.dialled) == (["evil.org", "evil.org"], [PUBLIC])


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1/", "//127.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest", "file:///etc/passwd"],
)
async def test_a_redirect_to_this_machine_is_refused(target: str) -> None:
    async def numbers_too(host: str, port: int) -> Sequence[str]:
        return [PUBLIC] if host == "good.org" else [host]

    async with open_site(home=Reply(status=302, headers={"Location": target})) as site:
        internet = Internet(site)
        with pytest.raises(UrlRefused):
            await read(Fetcher(Reach(), LIMITS, resolve=numbers_too, network=internet), "http://good.org/")
    assert (internet.dialled, site.asked) == ([PUBLIC], ["/"])


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/",
        "gopher://example.org/",
        "//example.org/",
        "example.org/page",
        "http:///page",
        "http://user:word@example.org/",
        "http://user@example.org/",
        "http://example.org:22/",
        "http://example.org:6379/",
        "https://example.org:80800/",
        "http://example.org/\x00",
        "unix:/run/docker.sock",
        "",
    ],
)
async def test_what_is_no_url_of_the_web_is_refused_unasked(url: str) -> None:
    names = Names(example_org=[[PUBLIC]])
    async with open_site() as site:
        internet = Internet(site)
        with pytest.raises(UrlRefused):
            await read(Fetcher(Reach(), LIMITS, resolve=names, network=internet), url)
    assert (names.asked, internet.dialled) == ([], [])


async def test_a_host_that_is_named_may_be_private() -> None:
    async with open_site(well=Reply(PAGE)) as site:
        fetcher = Fetcher(Reach(hosts=frozenset({"localhost"})), LIMITS)
        assert (await read(fetcher, f"http://localhost:{site.port}/well"))[1] == PAGE
        with pytest.raises(UrlRefused):
            await read(fetcher, f"{site.url}/well")


async def test_a_dead_address_is_passed_over() -> None:
    async def both(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async with open_site(well=Reply(PAGE)) as site:
        fetcher = Fetcher(Reach(allow_private=True), LIMITS, resolve=both)
        assert (await read(fetcher, f"http://two.org:{site.port}/well"))[1] == PAGE


async def test_an_oversized_page_is_cut_off() -> None:
    endless = Reply(pieces=(b"x" * 50_000,), repeat=10_000)
    async with open_site(home=endless) as site:
        with pytest.raises(PageTooLarge, match="100,000 bytes"):
            await read(fetcher_of(site), site.url)


async def test_a_gzip_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(300_000_000))
    assert len(bomb) < 1_000_000
    async with open_site(home=Reply(bomb, headers={"Content-Encoding": "gzip"})) as site:
        with pytest.raises(PageTooLarge):
            await read(fetcher_of(site), site.url)


async def test_a_slow_drip_is_given_up() -> None:
    async with open_site(home=Reply(pieces=(b"x",), pause_s=0.05, repeat=1_000)) as site:
        with pytest.raises(FetchTimedOut):
            await read(fetcher_of(site, FetchLimits(100_000, 0.5)), site.url)


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async with open_site(home=Reply(status=100, headers={}, pieces=(b"",), pause_s=3)) as site:
        with pytest.raises(FetchTimedOut):
            await read(fetcher_of(site, FetchLimits(100_000, 0.5)), site.url)


async def test_a_redirect_without_end_is_given_up() -> None:
    async with open_site(home=Reply(status=301, headers={"Location": "/"})) as site:
        with pytest.raises(FetchFailed, match="leads on"):
            await read(fetcher_of(site), site.url)
    assert len(site.asked) == 6


@pytest.mark.parametrize("media_type", ["audio/mpeg", "video/mp4", "application/x-msdownload"])
async def test_a_media_type_that_no_parser_knows_is_refused_before_its_bytes(media_type: str) -> None:
    endless = Reply(media_type=media_type, pieces=(b"x" * 50_000,), repeat=10_000)
    async with open_site(home=endless) as site:
        with pytest.raises(UnsupportedFile, match=media_type):
            await read(fetcher_of(site), site.url)


BROKEN: dict[str, Callable[[], Reply]] = {
    "status": lambda: Reply(b"gone", 410),
    "cut": lambda: Reply(b"half", headers={"Content-Length": "100"}),
    "cut gzip": lambda: Reply(gzip.compress(PAGE)[:-9], headers={"Content-Encoding": "gzip"}),
    "no gzip": lambda: Reply(PAGE, headers={"Content-Encoding": "gzip"}),
    "brotli": lambda: Reply(PAGE, headers={"Content-Encoding": "br"}),
    "nowhere": lambda: Reply(status=302),
    "bad redirect": lambda: Reply(status=302, headers={"Location": "http://[::1/"}),
    "long header": lambda: Reply(PAGE, headers={"X": "y" * 300_000}),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_what_is_broken_is_told(kind: str) -> None:
    async with open_site(home=BROKEN[kind]()) as site:
        with pytest.raises(FetchFailed):
            await read(fetcher_of(site), site.url)


async def test_an_unknown_host_and_a_closed_port_are_told() -> None:
    with pytest.raises(FetchFailed, match=r"no host 'nowhere\.invalid'"):
        await read(Fetcher(Reach(), LIMITS, resolve=Names()), "http://nowhere.invalid/")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(FetchFailed):
            await read(Fetcher(Reach(allow_private=True), LIMITS), f"http://127.0.0.1:{closed.getsockname()[1]}/")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of good.org, signed by itself, with its key."""
    if not shutil.which("openssl"):
        pytest.skip("openssl, which makes the certificate, is not installed")
    path = tmp_path_factory.mktemp("tls") / "good.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=good.org -addext subjectAltName=DNS:good.org"
    subprocess.run([*command.split(), "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.mark.parametrize(
    ("host", "is_trusted", "is_had"),
    [("good.org", True, True), ("good.org", False, False), ("other.org", True, False), ("[2606:2800::1]", True, False)],
)
async def test_a_certificate_must_be_of_the_name_while_the_checked_address_is_dialled(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, host: str, is_trusted: bool, is_had: bool
) -> None:
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    names: list[str | None] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    tls.sni_callback = lambda _, name, __: names.append(name)
    resolver = Names(good_org=[[PUBLIC]], other_org=[[PUBLIC]])
    resolver.answers["2606:2800::1"] = [["2606:2800::1"]]
    async with open_site(tls, well=Reply(PAGE)) as site:
        fetcher = Fetcher(Reach(), LIMITS, resolve=resolver, network=Internet(site))
        if is_had:
            assert (await read(fetcher, f"https://{host}/well"))[1] == PAGE
            assert (names, site.hosts) == (["good.org"], ["good.org"])
        else:
            with pytest.raises(FetchFailed, match="certificate"):
                await read(fetcher, f"https://{host}/well")
            assert site.asked == []
