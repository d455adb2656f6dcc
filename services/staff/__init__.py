"""Use cases and lists of staff, and the audit trail of their actions."""
