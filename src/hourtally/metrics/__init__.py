"""What a home is like, as numbers for Prometheus."""

from hourtally.metrics.home_facts import HomeFacts, gather
from hourtally.metrics.text import HomeCollector, RunFacts, text_of_home

__all__ = ["HomeCollector", "HomeFacts", "RunFacts", "gather", "text_of_home"]
