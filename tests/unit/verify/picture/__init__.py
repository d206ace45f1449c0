"""Tests of level 6: rules, measures, clips."""
