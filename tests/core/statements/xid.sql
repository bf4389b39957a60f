select min(x), max(x) from xid8_t1;
