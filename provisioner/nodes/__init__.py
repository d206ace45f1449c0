"""Hosts that are called from inside their carrier's network: by a node there, over a broker that both dial out to."""
