"""How often somebody may do something: rates, in this process and over all."""
