"""Views: documents under filters, and pages of them (contract, section 6), in canonical bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, TypeVar

from hourtally.published.document_levels import (
    PROJECT_LEVEL,
    RESOURCE_LEVEL,
    TEAM_LEVEL,
    TYPE_LEVEL,
    Level,
    children,
    literal,
)
from hourtally.published.document_shapes import Figures, Shape, shape_of

# The levels that have pages, from the top.
TEAMS: Final = "teams"
PROJECTS: Final = "projects"
RESOURCES: Final = "resources"


class Filters(NamedTuple):
    """Which part of a document to show; None is no filter.

    team: an id. project: an id; several teams may have one of that id. resource_type: one that the
    caller has checked.
    """

    team: str | None = None
    project: str | None = None
    resource_type: str | None = None


class Page(NamedTuple):
    """Which items of a level to show, of each parent. number: from 1. size: at most so many."""

    number: int
    size: int


class ShownPage(NamedTuple):
    """What a view shows of a paged level. items: how many. has_next: whether a parent has more."""

    page: Page
    items: int
    has_next: bool


class PagedView(NamedTuple):
    """A view. pages: of the levels that are shown and paged, from the top."""

    body: bytes
    pages: dict[str, ShownPage]


class _Node(NamedTuple):
    """An object that passed the filters, document[start:end].

    figures: filtered; None if they are the document's. children: those that passed; None if all do.
    """

    start: int
    end: int
    figures: Figures | None = None
    children: list[_Node] | None = None


def view(
    document: bytes, *, team: str | None, project: str | None, resource_type: str | None
) -> bytes:
    """The document under the filters; None is no filter. If nothing matches, the view is zero.

    Args:
        document: the canonical bytes of a whole document of either kind, `{"data":...}`.
        team: as in `Filters`.
        project: as in `Filters`.
        resource_type: as in `Filters`.
    """
    return paged_view(document, Filters(team, project, resource_type), {}).body


def paged_view(
    document: bytes,
    filters: Filters,
    pages: Mapping[str, Page],
    deepest: Page | None = None,
) -> PagedView:
    """The document under the filters, with pages of levels. Figures are of all, not of the page.

    Args:
        document: as of `view`.
        filters: which part of it.
        pages: by level; those of levels that are not shown have no effect.
        deepest: the page of the deepest level that is shown, instead.
    """
    shape = shape_of(document)
    # Searched from either end, so neither search runs through what lies between.
    start, end = document.index(shape.paas_start), document.rindex(shape.byoc_start)
    teams = list(_filtered(document, shape, start, end, filters))
    shown = _shown_levels(filters, len(teams))
    if deepest is not None:
        pages = {shown[-1]: deepest}
    renderer = _Renderer(document, shape, shown, pages)
    body = b",".join(map(renderer.team, renderer.page(TEAMS, teams)))
    figures = None if filters == Filters() else _figures(document, shape, teams)
    whole = _assemble(document, shape, start, end, figures, body)
    return PagedView(whole, {level: renderer.shown[level] for level in shown if level in pages})


def _shown_levels(filters: Filters, teams: int) -> list[str]:
    """The levels that a view with so many teams shows, from the top."""
    by_type = filters.project is not None or filters.resource_type is not None
    if filters.team is None and filters.project is None and teams != 1:
        return [TEAMS]
    return [TEAMS, PROJECTS, RESOURCES] if by_type else [TEAMS, PROJECTS]


def filtered_figures(document: bytes, filters: Filters) -> tuple[Figures, Figures]:
    """The figures of a document under the filters: of PaaS, and of BYOC, which follows none."""
    shape = shape_of(document)
    start, end = document.index(shape.paas_start), document.rindex(shape.byoc_start)
    if filters == Filters():
        paas = shape.paas.read(document, start)
    else:
        paas = _figures(document, shape, list(_filtered(document, shape, start, end, filters)))
    return paas, shape.byoc.read(document, end)


def _figures(document: bytes, shape: Shape, nodes: list[_Node]) -> Figures:
    return shape.paas.sum(
        shape.paas.read(document, node.start) if node.figures is None else node.figures
        for node in nodes
    )


def _filtered(
    document: bytes, shape: Shape, start: int, end: int, filters: Filters
) -> Iterator[_Node]:
    """The teams that pass the filters."""
    project, resource_type = literal(filters.project), literal(filters.resource_type)
    for team in children(document, start, end, TEAM_LEVEL, literal(filters.team)):
        if project is None and resource_type is None:
            yield _Node(*team)
            continue
        projects = []
        for span in children(document, *team, PROJECT_LEVEL, project):
            if resource_type is None:
                projects.append(_Node(*span))
                continue
            types = [_Node(*one) for one in children(document, *span, TYPE_LEVEL, resource_type)]
            if types:
                projects.append(_Node(*span, _figures(document, shape, types), types))
        if projects:
            yield _Node(*team, _figures(document, shape, projects), projects)


Item = TypeVar("Item")


class _Renderer:
    """Writes the objects of a view. shown: what it has written of the paged levels so far."""

    def __init__(
        self, document: bytes, shape: Shape, levels: list[str], pages: Mapping[str, Page]
    ) -> None:
        self._document = document
        self._shape = shape
        self._levels = levels
        self._pages = pages
        self.shown = {level: ShownPage(page, 0, has_next=False) for level, page in pages.items()}

    def page(self, level: str, items: list[Item]) -> list[Item]:
        """The items of one parent that are on the page; all, if the level is not paged."""
        page = self._pages.get(level)
        if page is None:
            return items
        first, end = (page.number - 1) * page.size, page.number * page.size
        chosen, so_far = items[first:end], self.shown[level]
        has_next = so_far.has_next or len(items) > end
        self.shown[level] = ShownPage(page, so_far.items + len(chosen), has_next)
        return chosen

    def team(self, team: _Node) -> bytes:
        """A team, with its projects if they are shown."""
        if PROJECTS not in self._levels:
            return self._object(team, b"")
        projects = self.page(PROJECTS, self._below(team, PROJECT_LEVEL))
        return self._object(team, _array(PROJECT_LEVEL, map(self._project, projects)))

    def _project(self, project: _Node) -> bytes:
        if RESOURCES not in self._levels:
            return self._object(project, b"")
        if project.children is None and RESOURCES not in self._pages:
            return self._document[project.start : project.end]
        types = map(self._type, self._below(project, TYPE_LEVEL))
        return self._object(project, _array(TYPE_LEVEL, types))

    def _type(self, of_type: _Node) -> bytes:
        if RESOURCES not in self._pages:
            return self._document[of_type.start : of_type.end]
        resources = self.page(RESOURCES, self._below(of_type, RESOURCE_LEVEL))
        texts = (self._document[one.start : one.end] for one in resources)
        return self._object(of_type, _array(RESOURCE_LEVEL, texts))

    def _below(self, parent: _Node, level: Level) -> list[_Node]:
        if parent.children is not None:
            return parent.children
        spans = children(self._document, parent.start, parent.end, level, None)
        return [_Node(*span) for span in spans]

    def _object(self, node: _Node, children: bytes) -> bytes:
        """An object with its key, name and filtered figures, and an array of children if any."""
        first, last = self._shape.paas.span(self._document, node.start, node.end)
        if node.figures is None:
            return b"%b%b}" % (self._document[node.start : last], children)
        head, figures = self._document[node.start : first], self._shape.paas.write(node.figures)
        return b"%b%b%b}" % (head, figures, children)


def _array(level: Level, objects: Iterator[bytes]) -> bytes:
    return b"%b%b]" % (level.array, b",".join(objects))


def _assemble(
    document: bytes, shape: Shape, start: int, end: int, figures: Figures | None, teams: bytes
) -> bytes:
    """The whole view: the teams, their figures (the document's own if None), and the rest."""
    head, byoc = document[: start + len(shape.paas_start)], document[end:]
    if figures is None:
        own = document[start + len(shape.paas_start) : document.index(TEAM_LEVEL.array, start)]
    else:
        head, own = shape.with_total(head, byoc, figures), shape.paas.write(figures)
    return b"%b%b%b%b]}%b" % (head, own, TEAM_LEVEL.array, teams, byoc)
