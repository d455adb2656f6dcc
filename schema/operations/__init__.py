"""From a text to an answer: documents are parsed, measured, validated and executed here."""
