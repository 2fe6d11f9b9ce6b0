"""The files of pages, as browsers and proxies see them."""

import gzip
import re
import tomllib
from pathlib import Path

import httpx

from rag_api.web.site import PAGES
from tests.processes import ROOT, Service

SHARES_SERVICE = True


def page(service: Service, path: str = "/") -> httpx.Response:
    return service.http.get(path).raise_for_status()


def addresses(html: str) -> list[str]:
    return re.findall(r'(?:src|href)="(/static/[^"]+)"', html)


def test_a_page_is_asked_for_each_time_and_mostly_not_modified(service: Service) -> None:
    for path in ("/", "/docs", "/admin"):
        first = page(service, path)
        assert first.headers["cache-control"] == "no-cache"
        again = service.http.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert service.http.head(path).status_code == 200


def test_what_a_page_is_made_of_is_kept_for_good_under_an_address_of_its_release(service: Service) -> None:
    found = addresses(page(service).text)
    assert len(found) > 20
    for address in found:
        reply = page(service, address)
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert reply.headers["x-content-type-options"] == "nosniff"
    [release] = {address.split("/")[2] for address in found}
    assert service.http.get(found[0].replace(release, "0" * 12)).status_code == 404
    assert service.http.get(f"/static/{release}/../../site.py").status_code == 404
    assert service.http.get(f"/static/{release}/%2e%2e/%2e%2e/site.py").status_code == 404


def test_files_are_packed_for_who_takes_that(service: Service) -> None:
    address = next(address for address in addresses(page(service).text) if address.endswith("main.js"))
    packed = service.http.get(address, headers={"Accept-Encoding": "gzip"})
    plain = service.http.get(address, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content  # httpx unpacks
    assert int(packed.headers["content-length"]) == len(gzip.compress(plain.content, mtime=0))
    assert packed.headers["etag"] != plain.headers["etag"]


def test_the_policy_allows_nothing_but_the_servers_own_files(service: Service) -> None:
    for path in ("/", "/docs", "/admin"):
        policy = page(service, path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?! [^>]*src=)|\son\w+=|style=", page(service, path).text)


def test_every_module_that_a_page_will_want_is_named_in_it(service: Service) -> None:
    named = addresses(page(service).text)
    for address in [one for one in named if one.endswith(".js")]:
        for path in re.findall(r'^import .* from "(\.[^"]+)"', page(service, address).text, re.MULTILINE):
            assert str(httpx.URL(f"http://x{address}").join(path).path) in named


def test_scripts_make_no_html_from_text_and_stay_short() -> None:
    for path in PAGES.rglob("*.js"):
        text = path.read_text("utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            path
        )
        assert text.count("\n") < 250, path


def test_a_wheel_carries_the_pages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    [pattern] = project["tool"]["setuptools"]["package-data"]["rag_api.web"]
    carried = {path for path in (ROOT / "rag_api" / "web").glob(pattern) if path.is_file()}
    assert carried == {path for path in Path(PAGES).rglob("*") if path.is_file()}
