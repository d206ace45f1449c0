"""The functions that rules may call: what comes to the same for the same plan, and reaches nothing. Pure."""

from __future__ import annotations

from typing import Final

_LISTED: Final = """
abs array.concat array.flatten array.reverse array.slice ceil concat contains count endswith floor format_int
glob.match indexof intersection is_array is_boolean is_null is_number is_object is_set is_string lower max min
numbers.range object.filter object.get object.keys object.remove object.subset object.union product regex.is_valid
regex.match round sort split sprintf startswith strings.any_prefix_match strings.any_suffix_match strings.count
strings.reverse substring sum time.add_date time.clock time.date time.diff time.format time.parse_rfc3339_ns
time.weekday to_number trim trim_left trim_prefix trim_right trim_space trim_suffix type_name union upper
"""
ALLOWED: Final = frozenset(_LISTED.split())
