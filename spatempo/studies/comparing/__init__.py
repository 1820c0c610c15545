"""``compare``: several designs trained and tested alike, with one table and one page."""
