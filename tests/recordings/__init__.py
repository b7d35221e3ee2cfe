"""What real clients put on the wire (README.md), and the means to send it again."""
