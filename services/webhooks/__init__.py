"""Webhooks: other systems hear of changes of trips. Above trips; knows nothing of live delivery and of staff."""
