"""The address of kas' own API (`api.listen` in its configuration), as an operator gives it."""

from internal_api.host_names import endpoint_problem

SCHEMES = ("grpc://", "grpcs://")


def kas_address_problem(text: str) -> str | None:
    """What is wrong with an address such as `grpc://host:port`, as a sentence; None for nothing."""
    scheme = next((one for one in SCHEMES if text.startswith(one)), None)
    if scheme is None:
        return f"KAS_ADDRESS starts with grpc:// or grpcs://, not {text.partition(':')[0]!r}."
    endpoint = text.removeprefix(scheme)
    problem = endpoint_problem(endpoint)
    if problem is None and ":" not in endpoint.rpartition("]")[2]:
        problem = "the port is missing, as in grpc://kas.example.com:8153."
    return None if problem is None else f"KAS_ADDRESS: {problem}"
