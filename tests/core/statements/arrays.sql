SELECT * FROM arrtest;

SELECT arrtest.a[1],
          arrtest.b[1][1][1],
          arrtest.c[1],
          arrtest.d[1][1],
          arrtest.e[0]
   FROM arrtest;

SELECT a[1], b[1][1][1], c[1], d[1][1], e[0]
   FROM arrtest;

SELECT a[1:3],
          b[1:1][1:2][1:2],
          c[1:2],
          d[1:1][1:2]
   FROM arrtest;

SELECT array_ndims(a) AS a,array_ndims(b) AS b,array_ndims(c) AS c
   FROM arrtest;

SELECT array_dims(a) AS a,array_dims(b) AS b,array_dims(c) AS c
   FROM arrtest;

SELECT *
   FROM arrtest
   WHERE a[1] < 5 and
         c = '{"foobar"}'::_name;

SELECT a,b,c FROM arrtest;

SELECT a[1:3],
          b[1:1][1:2][1:2],
          c[1:2],
          d[1:1][2:2]
   FROM arrtest;

SELECT b[1:1][2][2],
       d[1:1][2]
   FROM arrtest;

SELECT a FROM arrtest;

SELECT a FROM arrtest WHERE a[2] IS NULL;

SELECT a,b,c FROM arrtest;

SELECT a FROM arrtest WHERE b = ARRAY[[[113,142],[1,147]]];

SELECT * FROM array_op_test WHERE i @> '{32}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE i && '{32}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE i @> '{17}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE i && '{17}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE i @> '{32,17}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE i && '{32,17}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE i <@ '{38,34,32,89}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE i = '{}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE i @> '{}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE i && '{}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE i <@ '{}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE i = '{NULL}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE i @> '{NULL}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE i && '{NULL}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE i <@ '{NULL}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE t @> '{AAAAAAAA72908}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE t && '{AAAAAAAA72908}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE t @> '{AAAAAAAAAA646}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE t && '{AAAAAAAAAA646}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE t @> '{AAAAAAAA72908,AAAAAAAAAA646}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE t && '{AAAAAAAA72908,AAAAAAAAAA646}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE t <@ '{AAAAAAAA72908,AAAAAAAAAAAAAAAAAAA17075,AA88409,AAAAAAAAAAAAAAAAAA36842,AAAAAAA48038,AAAAAAAAAAAAAA10611}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE t = '{}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE t @> '{}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE t && '{}' ORDER BY seqno;

SELECT * FROM array_op_test WHERE t <@ '{}' ORDER BY seqno;

set enable_seqscan to off;

set enable_bitmapscan to off;

reset enable_seqscan;

reset enable_bitmapscan;

select array_agg(unique1) from (select unique1 from tenk1 where unique1 < 15 order by unique1) ss;

select array_agg(ten) from (select ten from tenk1 where unique1 < 15 order by unique1) ss;

select array_agg(nullif(ten, 4)) from (select ten from tenk1 where unique1 < 15 order by unique1) ss;

select array_agg(unique1) from tenk1 where unique1 < -15;
