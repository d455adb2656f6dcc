"""Letters (e-mails): the rows to send, their text, and the worker that sends them by SMTP or into a folder."""
