"""The pages that people look at, and the files that these are made of: read once, served from memory.

A file's address holds a digest of all files, so browsers keep it for good and never mix two releases; pages themselves
are asked for each time and mostly answered with 304. Pages and files hold no data and are open to everybody: what they
show comes from the interface, with the reader's own key.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import Response
from starlette.exceptions import HTTPException

PAGES = Path(__file__).parent / "pages"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
SECURITY = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_IMPORT = re.compile(r"""^(?:import|export)\s[^"';]*["'](\.[^"']+)["']""", re.MULTILINE)
_ENTRY = re.compile(r'<script type="module" src="/static/([^"]+)"></script>')
AcceptEncoding = Annotated[str, Header()]
IfNoneMatch = Annotated[str, Header()]


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent, plain and packed."""

    body: bytes
    packed: bytes
    media_type: str
    tag: str
    cache: str

    @classmethod
    def of(cls, body: bytes, suffix: str, cache: str) -> "Asset":
        tag = hashlib.sha256(body).hexdigest()[:20]
        return cls(body, gzip.compress(body, mtime=0), MEDIA_TYPES[suffix], tag, cache)

    def response(self, accept_encoding: str, if_none_match: str) -> Response:
        is_packed = "gzip" in accept_encoding and len(self.packed) < len(self.body)
        tag = f'"{self.tag}{"-gzip" if is_packed else ""}"'
        headers = {"ETag": tag, "Cache-Control": self.cache, "Vary": "Accept-Encoding"} | SECURITY
        if tag in (given.strip().removeprefix("W/") for given in if_none_match.split(",")):
            return Response(status_code=304, headers=headers)
        if is_packed:
            headers["Content-Encoding"] = "gzip"
        return Response(self.packed if is_packed else self.body, media_type=self.media_type, headers=headers)


@dataclass(frozen=True, slots=True)
class Site:
    """Pages by their name, files by their address below /static."""

    pages: dict[str, Asset]
    files: dict[str, Asset]

    @classmethod
    def read(cls, folder: Path = PAGES) -> "Site":
        static = folder / "static"
        paths = {path.relative_to(static).as_posix(): path for path in sorted(static.rglob("*"))}
        found = {name: path.read_bytes() for name, path in paths.items() if path.suffix in MEDIA_TYPES}
        digest = hashlib.sha256()
        for name, body in found.items():
            digest.update(f"{name}\0{len(body)}\0".encode() + body)
        release = digest.hexdigest()[:12]
        files = {f"{release}/{name}": Asset.of(body, Path(name).suffix, FOREVER) for name, body in found.items()}
        pages = {
            path.stem: Asset.of(_page(path.read_text("utf-8"), release, found).encode(), ".html", ASK_AGAIN)
            for path in sorted(folder.glob("*.html"))
        }
        return cls(pages, files)


def routes() -> APIRouter:
    site = Site.read()
    router = APIRouter(include_in_schema=False)

    def add(path: str, asset: Asset) -> None:
        async def page(accept_encoding: AcceptEncoding = "", if_none_match: IfNoneMatch = "") -> Response:
            return asset.response(accept_encoding, if_none_match)

        router.add_api_route(path, page, methods=["GET", "HEAD"])

    for name, asset in site.pages.items():
        add("/" if name == "chat" else f"/{name}", asset)

    @router.api_route("/static/{address:path}", methods=["GET", "HEAD"])
    async def file(address: str, accept_encoding: AcceptEncoding = "", if_none_match: IfNoneMatch = "") -> Response:
        if address not in site.files:
            raise HTTPException(404)
        return site.files[address].response(accept_encoding, if_none_match)

    return router


def _page(html: str, release: str, files: dict[str, bytes]) -> str:
    """With the addresses of this release, and with all modules named that its script will want."""
    entry = _ENTRY.search(html)
    wanted = _modules(entry[1], files) if entry else []
    hints = "".join(f'<link rel="modulepreload" href="/static/{name}">\n' for name in wanted)
    return html.replace("</head>", f"{hints}</head>", 1).replace('"/static/', f'"/static/{release}/')


def _modules(entry: str, files: dict[str, bytes]) -> list[str]:
    """What a module imports, and what that imports."""
    seen: list[str] = []
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.append(name)
        folder = (PAGES / name).parent
        imported = _IMPORT.findall(files[name].decode())
        waiting += [(folder / path).resolve().relative_to(PAGES.resolve()).as_posix() for path in imported]
    return seen
