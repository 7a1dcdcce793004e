"""Metrics for Prometheus. Imports prometheus_client, so only the long-running service imports this package, late."""
