"""The use cases behind the page and the API, and how they are started on this machine or on a lent GPU."""
