"""One file per foreign checkpoint layout."""
