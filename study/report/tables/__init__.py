"""Tables of the page, one question a module."""
