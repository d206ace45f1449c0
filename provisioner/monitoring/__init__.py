"""Metrics, rules, routes and a dashboard for Prometheus, Alertmanager and Grafana; what a watch makes of its looks."""
