"""HTTP below Django's views: how a request is read and what escapes them is answered."""
