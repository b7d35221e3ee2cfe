"""What people read at their terminal beside refusals, and how sizes are written."""

KEY_EXPIRES_SOON = "INFO: Your SSH key expires soon. Please generate a new key."


def human_size(size: int) -> str:
    """A number of bytes as people read it, such as `10 GiB` or `1.5 MiB`."""
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":  # noqa: PLR2004  1 KiB
            break
        amount /= 1024
    return f"{round(amount, 2):g} {unit}"
