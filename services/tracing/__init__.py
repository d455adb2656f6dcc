"""OpenTelemetry: the spans of this server, in the context of what caused them. Every other package may use it.

Without ``TRACING`` no ``Tracing`` exists, and what would use one is not built: nothing here is called.
"""
