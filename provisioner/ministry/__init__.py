"""The ministry's view: signed reports of several controllers."""
