WITH q1(x,y) AS (
    SELECT hundred, sum(ten) FROM tenk1 GROUP BY hundred
  )
SELECT count(*) FROM q1 WHERE y > (SELECT sum(y)/100 FROM q1 qsub);

CREATE TEMPORARY TABLE y (a INTEGER);

INSERT INTO y SELECT generate_series(1, 10);

DROP TABLE y;

CREATE TEMPORARY TABLE y (a INTEGER);

INSERT INTO y SELECT generate_series(1, 10);

CREATE TEMPORARY TABLE x (n integer);

select ( with cte(foo) as ( values(f1) )
         select (select foo from cte) )
from int4_tbl;

select ( with cte(foo) as ( values(f1) )
          values((select foo from cte)) )
from int4_tbl;

with
A as ( select q2 as id, (select q1) as x from int8_tbl ),
B as ( select id, row_number() over (partition by id) as r from A ),
C as ( select A.id, array(select B.id from B where B.id = A.id) from A )
select * from C;

BEGIN;

SET LOCAL force_parallel_mode = on;

COMMIT;

SELECT q1 FROM
(
  WITH t_cte AS (SELECT * FROM int8_tbl t)
  SELECT q1, (SELECT q2 FROM t_cte WHERE t_cte.q1 = i8.q1) AS t_sub
  FROM int8_tbl i8
) ss;

SELECT q1 FROM
(
  WITH t_cte AS MATERIALIZED (SELECT * FROM int8_tbl t)
  SELECT q1, (SELECT q2 FROM t_cte WHERE t_cte.q1 = i8.q1) AS t_sub
  FROM int8_tbl i8
) ss;

TRUNCATE TABLE y;

INSERT INTO y SELECT generate_series(1, 3);

TRUNCATE TABLE y;

INSERT INTO y SELECT generate_series(1, 10);
