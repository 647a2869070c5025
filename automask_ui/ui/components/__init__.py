"""The page's own components, each a folder with its Python, JavaScript, CSS and HTML."""
