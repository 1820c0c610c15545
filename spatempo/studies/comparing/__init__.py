"""``compare``: train and test several designs under the same conditions; one table and one page."""
