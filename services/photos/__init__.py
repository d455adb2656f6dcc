"""Photos: checked, decoded, stored."""
