"""The lab: relays, a monitoring centre, site gateways and cameras as Docker containers on one machine."""
