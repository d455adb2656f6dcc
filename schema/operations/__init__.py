"""From the text of a request to its answer: parse, measure, validate, estimate the cost, execute."""
