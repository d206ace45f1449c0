"""The provinces of 2021 (63 units) and of 2025 (34 units).

Each old unit became part of one new unit. A code or a name needs its list: seven codes mean another province in the
other list, and the same name means other territory. A unit's type (city or province) can change and is in no slug.
"""
