"""What the schema says: its types, inputs, queries, mutations and subscriptions."""
