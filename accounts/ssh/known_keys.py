"""Keys whose private halves everybody has: they were shipped in products and published. Each fingerprint was computed from the key."""

KNOWN_COMPROMISED = {
    "1M4RzhMyWuFS/86uPY/ce2prh/dVTHW7iD2RhpquOZA": "Vagrant's insecure key",
    "9prMbqhS4QteoFQ1ZRJDqSBLWoHXPyKB0iWR05Ghro4": "F5 BIG-IP, CVE-2012-1493",
    "Z+q4XhSwWY7q0BIDVPR1v/S306FjGBsid7tLq/8kIxM": "Ceragon FibeAir, CVE-2015-0936",
    "uy5wXyEgbRCGsk23+J6f85om7G55Cu3UIPwC7oMZhNQ": "ExaGrid, CVE-2016-1561",
    "/JLp6z6uGE3BPcs70RQob6QOdEWQ6nDC0xY7ejPOCc0": "Array Networks vAPV and vxAG",
    "whDP3xjKBEettbDuecxtGsfWBST+78gb6McdB9P7jCU": "Barracuda Load Balancer VM",
    "MEc4HfsOlMqJ3/9QMTmrKn5Xj/yfnMITMW8EwfUfTww": "Loadbalancer.org Enterprise VA",
    "aPoYT2nPIfhqv6BIlbCCpbDjirBxaDFOtPfZ2K20uWw": "Monroe DASDEC, CVE-2013-0137",
    "VtjqZ5fiaeoZ3mXOYi49Lk9aO31iT4pahKFP9JPiQPc": "Quantum DXi V1000",
}
"""SHA-256 fingerprint to where the key comes from."""
