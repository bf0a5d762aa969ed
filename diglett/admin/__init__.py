"""What the operator may look at: status as JSON, metrics, a page. Read-only, over snapshots."""
