"""Tests; what several of them share are the factories and doubles in this folder."""
