"""Dashboards for Grafana as code, and the JSON files made of it, which Grafana imports.

`python -m rnnd.config.grafana` writes them anew.
"""
