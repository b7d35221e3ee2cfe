"""Git LFS over HTTP: batch API, uploads, downloads and file locks (contract: git-http 3 to 6)."""
