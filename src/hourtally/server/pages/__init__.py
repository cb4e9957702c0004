"""Pages for people: what `hourtally ui` and `hourtally serve` show as HTML.

Rendered on the server and readable without JavaScript. Every figure comes from the functions behind
`list`, `show`, `explain`, `diff` and `status`; here it is only laid out.
"""

from hourtally.server.pages.site import Site, Visitors
from hourtally.server.pages.sources import PageSources

__all__ = ["PageSources", "Site", "Visitors"]
