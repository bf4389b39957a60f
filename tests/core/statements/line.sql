select * from LINE_TBL;
