"""Drivers: their standing (duty, approval, vehicle), and the use cases that change it."""
