"""Work that uses several rooms: the comparison of designs and the demonstration."""
