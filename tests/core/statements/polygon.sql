SELECT * FROM POLYGON_TBL;

SET enable_seqscan = ON;

SET enable_indexscan = OFF;

SET enable_bitmapscan = OFF;

SET enable_seqscan = OFF;

SET enable_indexscan = OFF;

SET enable_bitmapscan = ON;

SET enable_indexscan = ON;

SET enable_bitmapscan = OFF;

RESET enable_seqscan;

RESET enable_indexscan;

RESET enable_bitmapscan;
