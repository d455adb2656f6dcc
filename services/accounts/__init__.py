"""Accounts: sign-up, profile, deletion, their sessions, passwords and user names."""
