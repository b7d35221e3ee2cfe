"""Who shows tokens that prove nothing."""

from typing import ClassVar

from django.db import models


class RefusedPeer(models.Model):
    """How many requests with a bad service token came from an address on a day; `others` where there were too many addresses."""

    day = models.DateField()
    address = models.CharField(max_length=64)
    caller = models.CharField(max_length=32)
    client = models.CharField(max_length=16, default="other", help_text="The program, as its User-Agent says.")
    number = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["day", "address", "caller", "client"], name="refused_peer_once_a_day")]

    def __str__(self) -> str:
        return f"{self.address}: {self.number}"
