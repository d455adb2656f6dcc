"""The GraphQL schema, one file per noun, with its types, inputs, queries, mutations and subscriptions.

``roots.py`` lists all root fields. Shared by the nouns: ``context.py``, ``ids.py``, ``enums.py``, ``uploads.py``,
``feed_stream.py``; failures: ``user_errors.py`` (data with a code) and ``errors.py`` (GraphQL errors).
"""
