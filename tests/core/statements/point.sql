SET extra_float_digits = 0;

SELECT * FROM POINT_TBL;

SELECT p.* FROM POINT_TBL p WHERE p.f1 << '(0.0, 0.0)';

SELECT p.* FROM POINT_TBL p WHERE '(0.0,0.0)' >> p.f1;

SELECT p.* FROM POINT_TBL p WHERE '(0.0,0.0)' |>> p.f1;

SELECT p.* FROM POINT_TBL p WHERE p.f1 <<| '(0.0, 0.0)';

SELECT p.* FROM POINT_TBL p WHERE p.f1 ~= '(5.1, 34.5)';

SELECT p.* FROM POINT_TBL p
   WHERE p.f1 <@ box '(0,0,100,100)';

SELECT p.* FROM POINT_TBL p
   WHERE box '(0,0,100,100)' @> p.f1;

SELECT p.* FROM POINT_TBL p
   WHERE not p.f1 <@ box '(0,0,100,100)';

SELECT p.* FROM POINT_TBL p
   WHERE p.f1 <@ path '[(0,0),(-10,0),(-10,10)]';

SELECT p.* FROM POINT_TBL p
   WHERE not box '(0,0,100,100)' @> p.f1;

SELECT p.f1, p.f1 <-> point '(0,0)' AS dist
   FROM POINT_TBL p
   ORDER BY dist;

SELECT p1.f1 AS point1, p2.f1 AS point2, p1.f1 <-> p2.f1 AS dist
   FROM POINT_TBL p1, POINT_TBL p2
   ORDER BY dist, p1.f1[0], p2.f1[0];

SELECT p1.f1 AS point1, p2.f1 AS point2
   FROM POINT_TBL p1, POINT_TBL p2
   WHERE (p1.f1 <-> p2.f1) > 3;

SELECT p1.f1 AS point1, p2.f1 AS point2, (p1.f1 <-> p2.f1) AS distance
   FROM POINT_TBL p1, POINT_TBL p2
   WHERE (p1.f1 <-> p2.f1) > 3 and p1.f1 << p2.f1
   ORDER BY distance, p1.f1[0], p2.f1[0];

SELECT p1.f1 AS point1, p2.f1 AS point2, (p1.f1 <-> p2.f1) AS distance
   FROM POINT_TBL p1, POINT_TBL p2
   WHERE (p1.f1 <-> p2.f1) > 3 and p1.f1 << p2.f1 and p1.f1 |>> p2.f1
   ORDER BY distance;

SET enable_seqscan TO true;

SET enable_indexscan TO false;

SET enable_bitmapscan TO false;

SET enable_seqscan TO false;

SET enable_indexscan TO true;

SET enable_bitmapscan TO true;

RESET enable_seqscan;

RESET enable_indexscan;

RESET enable_bitmapscan;
