"""Django's PostgreSQL backend, with a bound on every wait.

`statement_timeout` is the server's: a server that is stopped does not keep it, and its machine's kernel goes on acknowledging what is sent.
"""
