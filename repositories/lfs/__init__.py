"""Git LFS: objects, the repositories they belong to, their storage, quota, and file locks (contract: git-http 3 to 5)."""
