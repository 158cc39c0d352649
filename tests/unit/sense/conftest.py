"""Parsers are tested on arbitrary text; how long that takes on a busy machine is no finding."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "parsers", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("parsers")
