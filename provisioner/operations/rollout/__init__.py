"""A rollout: waves of hosts, a confirmed transaction each. An effect stage."""
