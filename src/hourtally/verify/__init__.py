"""Published hours re-derived by a path of their own, and every stored byte held to its record.

Nothing here is shared with the stages of a build, so an error in one of them shows itself as
a difference: identities and conflicts are decided in SQL by source and id (`slices`), rates
are looked up and charges made in fractions (`pricing`), every level is summed from the
resources and the JSON written by hand (`derive`). What a build has stored is read beside it
as it passes (`stored`), customer by customer, so memory is bounded by the largest one.
"""

from hourtally.verify.findings import MOST_NAMED, Difference, Findings
from hourtally.verify.runner import verify_hours

__all__ = ["MOST_NAMED", "Difference", "Findings", "verify_hours"]
