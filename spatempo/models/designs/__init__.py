"""The built-in designs, one file each: which operator, with which seam, in which blocks. Importing registers them."""

from spatempo.models.designs import gsf as gsf
from spatempo.models.designs import gsm as gsm
from spatempo.models.designs import r2plus1d as r2plus1d
from spatempo.models.designs import sth as sth
from spatempo.models.designs import tsm as tsm
from spatempo.models.designs import tsn as tsn
from spatempo.models.designs import vsn as vsn
