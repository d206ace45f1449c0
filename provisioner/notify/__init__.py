"""Who is told of a night, of what, in which words, and how: by webhook, by mail, or through an Alertmanager."""
