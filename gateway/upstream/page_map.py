"""A map of the upstream lists: the tokens that this process has met, and the page on which it last saw each key.

AWS has forward tokens only, so a list is read page by page. With the map, a reader can request several pages at
once. It is only a hint: records always come from a call or from the response cache. It holds keys and tokens, but
no records.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from gateway.paging.read_ahead import ListPage

# An inventory of 99,000 numbers has 1,000 pages. Keys and tokens of so many take some 20 MB.
MAX_KEYS: Final = 100_000
MAX_TOKENS: Final = 1_000


class KnownPage:
    """A page as the process last saw it. The first page of a list has no token."""

    __slots__ = ("keys", "leads_to", "list", "lost_keys", "next_token", "token")

    def __init__(self, known_list: "KnownList", token: str | None) -> None:
        self.list = known_list
        self.token = token
        self.keys: tuple[str, ...] = ()
        # Whether another page was seen with one of the keys since.
        self.lost_keys = False
        # The newest next token, and the one that leads to the next known page. They differ if tokens are unstable.
        self.next_token: str | None = None
        self.leads_to: str | None = None


class KnownStart(NamedTuple):
    """The pages from the start of a list that are known without a gap.

    Attributes:
        tokens: The tokens of these pages. The first one is None.
        next_token: The token of the first page that is not known, or None if that is the start of the list.
        is_complete: Whether the last of these pages ended the list.
    """

    tokens: list[str | None]
    next_token: str | None
    is_complete: bool


class KnownList:
    """The known pages of one list with one filter.

    Attributes:
        list_id: The identity of the list: its operation and filter.
        pages: The known pages by their tokens.
        page_of_key: The page on which each key was last seen.
        has_stable_tokens: Whether a page that was read again had the same next token as before, if nothing else had
            changed. None until a page is read again.
    """

    __slots__ = ("has_stable_tokens", "list_id", "page_of_key", "pages")

    def __init__(self, list_id: object) -> None:
        self.list_id = list_id
        self.pages: dict[str | None, KnownPage] = {}
        self.page_of_key: dict[str, KnownPage] = {}
        self.has_stable_tokens: bool | None = None

    def __repr__(self) -> str:
        tokens = {None: "untested", True: "stable", False: "unstable"}[self.has_stable_tokens]
        return f"<KnownList: {len(self.pages)} pages, {len(self.page_of_key)} keys, {tokens} tokens>"

    def pages_of(self, keys: Iterable[str]) -> dict[str | None, list[str]]:
        """Return the keys that were last seen on each page, by the page's token. Unknown keys are left out."""
        page_of_key = self.page_of_key
        found: dict[str | None, list[str]] = {}
        if not page_of_key:
            return found
        for key in keys:
            page = page_of_key.get(key)
            if page is not None:
                found.setdefault(page.token, []).append(key)
        return found

    def following(self, token: str | None, count: int) -> list[str]:
        """Return at most so many tokens that followed a page, and an empty list unless tokens are stable."""
        tokens: list[str] = []
        page = self.pages.get(token) if self.has_stable_tokens else None
        while page is not None and page.next_token is not None and len(tokens) < count:
            tokens.append(page.next_token)
            page = self.pages.get(page.next_token)
        return tokens

    def start(self) -> KnownStart:
        """Return the pages from the start of the list up to the first one that is not known."""
        tokens: dict[str | None, None] = {}
        token: str | None = None
        while (page := self.pages.get(token)) is not None:
            tokens[token] = None
            token = page.leads_to
            if token is None:
                return KnownStart(list(tokens), None, is_complete=True)
            if token in tokens:
                # The tokens lead in a circle, so they are of no use.
                return KnownStart([], None, is_complete=False)
        return KnownStart(list(tokens), token, is_complete=False)


class PageMap:
    """The known pages of all lists. If there are too many, the one that was read longest ago is forgotten.

    Args:
        max_keys: The most keys on all pages together.
        max_tokens: The most pages, each of which has one token.
    """

    def __init__(self, max_keys: int = MAX_KEYS, max_tokens: int = MAX_TOKENS) -> None:
        self._max_keys = max_keys
        self._max_tokens = max_tokens
        self._lists: dict[object, KnownList] = {}
        # The page that was read longest ago comes first.
        self._pages: OrderedDict[KnownPage, None] = OrderedDict()
        self._keys = 0

    def __repr__(self) -> str:
        return f"<PageMap: {len(self._lists)} lists, {len(self._pages)} pages, {self._keys} keys>"

    def known(self, list_id: object) -> KnownList:
        """Return what is known of a list."""
        return self._lists.get(list_id) or KnownList(list_id)

    def learn(self, list_id: object, token: str | None, read: ListPage[Any]) -> None:
        """Remember a page that was just read.

        Args:
            list_id: Stands for the list's operation and filter.
            token: The token that the page was requested with.
            read: The page.
        """
        known_list = self._lists.get(list_id)
        if known_list is None:
            known_list = self._lists[list_id] = KnownList(list_id)
        page = known_list.pages.get(token)
        if page is None:
            page = known_list.pages[token] = KnownPage(known_list, token)
            self._pages[page] = None
        elif read.next_token is not None and page.next_token is read.next_token:
            # The very same response, from the response cache or from a call that several readers share.
            self._pages.move_to_end(page)
            return
        else:
            self._pages.move_to_end(page)
        if page.keys != read.keys:
            self._forget_keys(page)
            self._keys += len(read.keys)
            self._assign_keys(page, read.keys)
            page.leads_to = read.next_token
        else:
            # Most pages are unchanged, so their keys stay where they are.
            if page.lost_keys:
                self._assign_keys(page, page.keys)
            if page.next_token is None or read.next_token is None:
                page.leads_to = read.next_token
            else:
                # AWS does not document whether its tokens are stable, but the older token is still valid.
                known_list.has_stable_tokens = page.next_token == read.next_token
                if page.leads_to not in known_list.pages and read.next_token in known_list.pages:
                    page.leads_to = read.next_token
        page.next_token = read.next_token
        self._evict()

    def refuse(self, list_id: object, token: str | None) -> None:
        """Forget a list because AWS rejected one of its tokens. An unknown token has no effect."""
        known_list = self.known(list_id)
        pages = list(known_list.pages.values())
        if token in known_list.pages or any(token in (page.next_token, page.leads_to) for page in pages):
            for page in pages:
                self._forget(page)

    def _assign_keys(self, page: KnownPage, keys: tuple[str, ...]) -> None:
        """Assign keys to a page. A page on which one of them was seen before has lost it."""
        page_of_key = page.list.page_of_key
        for key in keys:
            before = page_of_key.get(key)
            if before is not None:
                before.lost_keys = True
            page_of_key[key] = page
        page.keys = keys
        page.lost_keys = False

    def _evict(self) -> None:
        while len(self._pages) > self._max_tokens or (self._keys > self._max_keys and len(self._pages) > 1):
            self._forget(next(iter(self._pages)))

    def _forget(self, page: KnownPage) -> None:
        self._forget_keys(page)
        del self._pages[page]
        del page.list.pages[page.token]
        if not page.list.pages:
            del self._lists[page.list.list_id]

    def _forget_keys(self, page: KnownPage) -> None:
        """Forget the keys of a page, unless they were seen on another page since."""
        page_of_key = page.list.page_of_key
        for key in page.keys:
            if page_of_key.get(key) is page:
                del page_of_key[key]
        self._keys -= len(page.keys)
        page.keys = ()
