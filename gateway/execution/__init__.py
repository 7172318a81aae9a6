"""Execution of documents: parse, validate, price and run them, and format their errors.

- document_cache: parsed and validated documents
- document_limits, query_cost: the size and cost of a document, and their limits
- engine: `prepare` and `run`
- projection, projection_plan: a selection compiled into one function
- projecting_executor, incremental_executor: graphql-core's executor, with projections, `@defer` and `@stream`
- persisted_documents: documents that a request names instead of sending them
- error_formatter: errors as a client reads them
"""
