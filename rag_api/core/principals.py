"""Who asks, and what that one may do and see."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["reader", "writer", "admin"]
ROLES: tuple[Role, ...] = ("reader", "writer", "admin")  # each may what those before it may


@dataclass(frozen=True, slots=True)
class Principal:
    """`collections`: those that it may enter; None: all. `groups`: it sees a document whose `acl` names one of them or
    nobody; None: every document. Admins are limited by neither."""

    id: str
    role: Role
    collections: frozenset[str] | None = None
    groups: frozenset[str] | None = None

    @property
    def listed_groups(self) -> list[str] | None:
        return None if self.groups is None else sorted(self.groups)

    def may(self, role: Role) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)

    def enters(self, collection: str) -> bool:
        return self.collections is None or collection in self.collections

    def sees(self, acl: Collection[str]) -> bool:
        return self.groups is None or not acl or not self.groups.isdisjoint(acl)

    def owns(self, owner: str) -> bool:
        """Whether what `owner` began, an answer or a conversation, is there for this one."""
        return self.role == "admin" or owner == self.id


ADMIN = Principal("admin", "admin")  # who has RAG_ADMIN_KEY, or asks a server that wants no key
