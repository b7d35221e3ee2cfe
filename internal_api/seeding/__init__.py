"""The seeding engine: from a file that says what is, to a database in which it is so.

`entries` reads values and tells where one is wrong; `registry` is what apps fill with their sections; `engine` applies.
"""

from internal_api.seeding.engine import seed
from internal_api.seeding.entries import Entry, SeedError
from internal_api.seeding.registry import Section, register_key, register_section
from internal_api.seeding.report import Report

__all__ = ["Entry", "Report", "Section", "SeedError", "register_key", "register_section", "seed"]
