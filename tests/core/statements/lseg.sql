select * from LSEG_TBL;
