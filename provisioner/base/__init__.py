"""General parts without camera knowledge, which import no other package."""
