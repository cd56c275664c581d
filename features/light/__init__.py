"""Lens light: the image without the galaxy that lenses, by three models of it, each linear in what it adds up."""
