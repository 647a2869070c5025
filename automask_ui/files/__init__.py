"""Files that people bring: pictures, point lists, ZIPs and JSON, read within bounds and checked."""
