"""The pages where people look: what was recorded, as a page that is served and as files. Read-only."""
