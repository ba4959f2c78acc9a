"""Backup, restore, integrity, maintenance, reports and alerts: what keeps the service and brings it back."""
