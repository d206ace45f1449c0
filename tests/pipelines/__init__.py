"""What `pipelines/` calls, run step by step: a Git server over HTTP, a forge, hosts in memory, real shells."""
