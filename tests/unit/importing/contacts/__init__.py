"""Tests of contacts: the personal data of the job, all of it invented."""
