"""Public keys of all kinds, as people paste them; made once with ssh-keygen, their private halves thrown away."""

RSA_2048 = (
    "ssh-rsa "
    "AAAAB3NzaC1yc2EAAAADAQABAAABAQCixzBckvXyKU2YFFF8DJEZ4yoitsvY/c/5fciBTIAMGgogn2ZMaCFvF7ENR3cN1CUtakzH"
    "PCJYgxk72TIm4xLSIafSLCocL4J0zgM/JDBPULKyQ+k/TlCTKWS3lrJ1bHsDDFMV5X7GIslYVQxEhmHRKjBXXLriiGSwV6CwEk8F"
    "M3J+Ju5Rx5XmK4MmTElWIF6tvLqIak+ZENfQm/2XL27TBm1UcomWpdDYoLEoqtvy9E4C30XiXfPhvzJssdGLhNvxNlrlN6ZNsBoP"
    "lN/pKiqiPJejJ+CGXpvGjgaYjIGNPdW/ec8wwrcVYxnjL53RByrIExxJmMfevQdou5HeTe/n"
    " test key"
)
RSA_1024 = (
    "ssh-rsa "
    "AAAAB3NzaC1yc2EAAAADAQABAAAAgQDDaaLgMHV2YgSnIyQXD1bwA94x2BEbGd/4GHgS/R51RqBE0TtgX+J3Hzj8rdrMRTBv+4r6"
    "gHoCJ9tvFmLEkIaFeN7DNk4wxt6mPhQOFWk5dI4Ag+Rp0mUe1xHnhYZCirjlpe4SJapPLP1UxhFklM179ynbpBNCdfFmvU/0Ybn7"
    "0w=="
    " test key"
)
RSA_3072 = (
    "ssh-rsa "
    "AAAAB3NzaC1yc2EAAAADAQABAAABgQCxGK2QW8PPMLLpSNpzMScHDJWBmbKx4SjY8Pkg4GRR57zjHFOpGv+k2mIfS52JevHbAEgu"
    "w4GyJzZsYSLBNLtEVLckdR34RpKsCdghbYBPPqsaCFstktBM6XQZgtbMG72Bo5R9wcYgmFfsl0yxlB01y+NNe5YIqbQuS8Q80jV+"
    "WBMs4+QZR72uxxEOFiqw6dv68qZOffjX/bE8HZiY2QkLv+ga1yY0yAlBZOS+Rc5Vt74trWICHHSnyQSsYIzE0AFF39AkVtf9m+GC"
    "fHrR45Z0caall5IYxH4BacPwHNwH4ombi1GdFbQyyRX7Bo0UiLPgFV6i9yskBUMSRsvuKTT+FGtdGnYH4pxzA9LlFEJiSGhzDkD/"
    "KgNW2FjfmyF0wmrV+zBYL30MXH2lDgSSKO2HXWRk3kj0XXjaQtnd4zoGRNrDJhtodoqbgs748TiVYlfTE48NBQbk9sI73Hzk3+0t"
    "yZZ+b0JUhQezzHf5KghCXiozXH0OGyIu4Co9PrmlfEE="
    " test key"
)
RSA_4096 = (
    "ssh-rsa "
    "AAAAB3NzaC1yc2EAAAADAQABAAACAQCk27cGc5oDupTnB21h+iJbz7KfV2lzwkpm1Aj+6CkcMm3mySV8ShYBwmBqbd4T07AtrOTz"
    "BuvMBOqPuo/yA4h+ymPvKK2kJKARZlnkFPg6J2F1Cd1S0Co04OYyBni+lR7FbLCPQs2rKD4NERgPmIvaHIfx/GgkAda92nQ0I0xq"
    "x6TlTrvydBe++U4RI5k9ryno0ALh3Ly3rOujjhH82AD1eh4fLLgEgw/H7Of0pyW0GtbZlEwmVSFYl8yRTca3bztT/gC9XqnGkwh2"
    "MuIMuUE1bbucmAEig96LMkbTC0nVFPesQF8aaYh1r4X0Ei1Fb7ek1p6CwR2sBIY8pfx8YoDmWR34HoxheHMHaS+zUhhNFSqFx5TM"
    "AfWSjhBYtHmX1R5gEzCJU8GAJTao3bpMtKFDl2TsDU29sgFwn/oQn+WRga9C14cUF1xfcdHOjXcPFPRUUIO5I9PVuP6becyhq5tD"
    "9Zye1Fjna7Wgq7qXJb7uS2kb4In2Sih0r/4oquFiCMT7FyI9kUR6cIEQ5g3eSIRHiAn2hIa4np0du57AHKsZxXuuz5NI9xk0CLFU"
    "2InDuTyRnFi5TxJEB8ou/sJ1H3vJg8Kzcg92ZPHA6TsFAOdhuv2dQ7lDizcnE2v0lyWi7k1JummAlauC4o23aOSB7WrxuIIW17Z/"
    "WXtElbfCWcKCcQ=="
    " test key"
)
ECDSA_256 = (
    "ecdsa-sha2-nistp256 "
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBCXbjgxh7XBn51RSaowAdxVlrTIrwVuG3GByysfJ2jVr19cN"
    "q0RW6NJvgtg2+hlSt6o6j4nWHWvmn1NQpIss8Os="
    " test key"
)
ECDSA_384 = (
    "ecdsa-sha2-nistp384 "
    "AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBCv7bK8dMk2V11T4hnGuFWqcJ/s4nN5OWsNeofxdA8lUaXr9"
    "gvmbibpO9CfpE2U1SagbsCkVWLmaIs0WxhP2lCDN7NZITLtjy6kDv+4J2ybAfxnJUb0jrzGukTXkYrOkkg=="
    " test key"
)
ECDSA_521 = (
    "ecdsa-sha2-nistp521 "
    "AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBABcmF++gvy7Mj0WhaHhIRsXrpo77y5RHNStGtOq86TwRGLm"
    "47WeI+dpO8ItWMa5OIL8meo6u1d/eUFThuVCa7qdLQE7b6eTJ15g6aPN35aLK3FLR/upoEH6aCag6K2iYBo/4R2mUEDnX/quDWxa"
    "/7jYlAmFKgESH8FldFUHwAbk9ZXoNw=="
    " test key"
)
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHjrXSTrKphZWBQBCvMtIOOsAdWBcrlALwpdb20SjCUY test key"
DSA = (
    "ssh-dss "
    "AAAAB3NzaC1kc3MAAACBALKNXBbwq+eCmxUxATezGH9XlBi5kIDcX4mOGKl/SnWdsajHmxIucahQt58CxdHMzzk6GFpNmV//CHKM"
    "Hqe/SOpGTPB7k8OgC8/ZucqhB9+mXDkd82Xksne0ZXEJ8RUCfs9NOCPK/a13Nw+UgqXpCQqqHADFaBAYr/GaW2DDhLX9AAAAFQCW"
    "mTQIQrAkR9JLSPftOhQ4ylTZZwAAAIA8o8Ob3UX4SED64cB4M8lAICCkoceXBcJNy+yJuOrLiXeo+mGWSHy0uuUIbIVt0bdCpmo7"
    "cr6Cii1nB7BvDSg4AkHLIK8ksFy2PtHh0krTI4ZY5GSSL6llvj93ShYc/sDLaNYWqAuJmshubMIKr+np+6bl74slPwuOQwKpoyhE"
    "SAAAAIEAoCIsvMXG8RoKxy25ddtSlQ7DoFszgku0vN99kAyKaHx2Vlz6dGXUbeI0+4wIQiy8xIwmrWM/JT1e8WSYV+XYzsd3M4HS"
    "V0syyK3BdRayTqutqhFjANY2va3fG2De0nhhln+MmiNTqdF0gehPEmbr1v+K772ZOo4vRpNvyPP2hfw="
    " test key"
)
SK_ED25519 = (
    "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIHjrXSTrKphZWBQBCvMtIOOsAdWBcrlALwpdb20SjCUYAAAABHNzaDo="
)
SK_ECDSA = (
    "sk-ecdsa-sha2-nistp256@openssh.com "
    "AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBCXbjgxh7XBn51RSaowAdxVlrTIr"
    "wVuG3GByysfJ2jVr19cNq0RW6NJvgtg2+hlSt6o6j4nWHWvmn1NQpIss8OsAAAAEc3NoOg=="
)
ROOT_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDoO74W7zNVCs8vffhD7/A8C9/v+zfY0zIPAabYFZDRN root@example.com"
ANN_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPGLFhGqgSWU+Gh1Glhf/Rc4PAqV7NyDpMTgpOVYULCD ann@example.com"
BOB_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIlakgzc5LtuEi+LRFHZBy/6WqMyLSGE0tO2ZUMoKBgK bob@example.com"
CAROL_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6/oNEtNyILw+58eeyKNIdraX2V22bx7pRTv+mEBByY carol@example.com"
CI_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBqI1ByZ6ZENaj16ILAe/L5ckTYCQYUxJOOsxZ/waooK ci@example.com"

VAGRANT = (
    "ssh-rsa "
    "AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8iallvQVp22WDkTkyrtvp9eWW6A8YVr+kz4TjGYe7gHzIw+niNltGEFHzD8+v1I2YJ6oX"
    "evct1YeS0o9HZyN1Q9qgCgzUFtdOKLv6IedplqoPkcmF0aYet2PkEDo3MlTBckFXPITAMzF8dJSIFo9D8HfdOV0IAdx4O7PtixWK"
    "n5y2hMNG0zQPyUecp4pzC6kivAIhyfHilFR61RGL+GPXQ2MWZWFYbAGjyiYJnAmCP3NOTd0jMZEnDkbUvxhMmBYSdETk1rRgm+R4"
    "LOzFUGaHqHDLKLX+FIPKcF96hrucXzcWyLbIbEgE98OHlnVYCzRdK8jlqm8tehUc9c9WhQ=="
    " vagrant insecure public key"
)
"""The private half of this one is in everybody's hands."""
