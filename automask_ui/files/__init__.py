"""Read pictures, point lists, ZIPs and JSON from untrusted sources, within bounds; hash and write files."""
