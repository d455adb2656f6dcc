"""What members of staff can do and list, and the trail of what they did."""
