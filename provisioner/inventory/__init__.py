"""The declarative inventory: model < rules < load."""
