"""XML from strangers: no entities, no network, no trees deeper than libxml2 allows (256)."""

from typing import Any, TypeAlias

from lxml import etree  # type: ignore[import-untyped]

from ingest.errors import BrokenDocument

Element: TypeAlias = Any  # lxml has no types

SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}


def tree_of(raw: bytes, *, name: str) -> Element:
    """The root. Raises BrokenDocument when it is not well-formed or declares entities."""
    try:
        root = etree.fromstring(raw, etree.XMLParser(**SAFE, remove_comments=True, remove_pis=True))
    except (etree.LxmlError, ValueError) as error:
        raise BrokenDocument(f"'{name}' is not well-formed XML ({error}): repair it or save it again") from error
    declared = root.getroottree().docinfo.internalDTD
    if declared is not None and any(True for _ in declared.iterentities()):
        raise BrokenDocument(f"'{name}' declares entities, which are not expanded: save it without them")
    return root


def tag_of(element: Element) -> str:
    """Its name without its namespace; empty for what is no element."""
    return str(element.tag).rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: Element, name: str) -> str:
    """By the name without a namespace: the strict and the usual flavours of a format differ in theirs only.

    Where `name` stands with and without a namespace, the one with it (`r:id` before `id`).
    """
    bare = ""
    for key, value in element.attrib.items():
        if key.endswith(f"}}{name}"):
            return str(value)
        if key == name:
            bare = str(value)
    return bare
