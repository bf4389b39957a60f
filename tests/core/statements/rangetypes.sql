SELECT nr, isempty(nr), lower(nr), upper(nr) FROM numrange_test;

SELECT nr, lower_inc(nr), lower_inf(nr), upper_inc(nr), upper_inf(nr) FROM numrange_test;

SELECT * FROM numrange_test WHERE range_contains(nr, numrange(1.9,1.91));

SELECT * FROM numrange_test WHERE nr @> numrange(1.0,10000.1);

SELECT * FROM numrange_test WHERE range_contained_by(numrange(-1e7,-10000.1), nr);

SELECT * FROM numrange_test WHERE 1.9 <@ nr;

select * from numrange_test where nr = 'empty';

select * from numrange_test where nr = '(1.1, 2.2)';

select * from numrange_test where nr = '[1.1, 2.2)';

select * from numrange_test where nr < 'empty';

select * from numrange_test where nr < numrange(-1000.0, -1000.0,'[]');

select * from numrange_test where nr < numrange(0.0, 1.0,'[]');

select * from numrange_test where nr < numrange(1000.0, 1001.0,'[]');

select * from numrange_test where nr <= 'empty';

select * from numrange_test where nr >= 'empty';

select * from numrange_test where nr > 'empty';

select * from numrange_test where nr > numrange(-1001.0, -1000.0,'[]');

select * from numrange_test where nr > numrange(0.0, 1.0,'[]');

select * from numrange_test where nr > numrange(1000.0, 1000.0,'[]');

select range_intersect_agg(nr) from numrange_test;

select range_intersect_agg(nr) from numrange_test where false;

select range_intersect_agg(nr) from numrange_test where nr @> 4.0;

create table numrange_test2(nr numrange);

create index numrange_test2_hash_idx on numrange_test2 using hash (nr);

INSERT INTO numrange_test2 VALUES('[, 5)');

INSERT INTO numrange_test2 VALUES(numrange(1.1, 2.2));

INSERT INTO numrange_test2 VALUES(numrange(1.1, 2.2));

INSERT INTO numrange_test2 VALUES(numrange(1.1, 2.2,'()'));

INSERT INTO numrange_test2 VALUES('empty');

set enable_nestloop=t;

set enable_hashjoin=f;

set enable_mergejoin=f;

select * from numrange_test natural join numrange_test2 order by nr;

set enable_nestloop=f;

set enable_hashjoin=t;

set enable_mergejoin=f;

select * from numrange_test natural join numrange_test2 order by nr;

set enable_nestloop=f;

set enable_hashjoin=f;

set enable_mergejoin=t;

select * from numrange_test natural join numrange_test2 order by nr;

set enable_nestloop to default;

set enable_hashjoin to default;

set enable_mergejoin to default;

DROP TABLE numrange_test2;

SELECT tr, isempty(tr), lower(tr), upper(tr) FROM textrange_test;

SELECT tr, lower_inc(tr), lower_inf(tr), upper_inc(tr), upper_inf(tr) FROM textrange_test;

SELECT * FROM textrange_test WHERE range_contains(tr, textrange('f', 'fx'));

SELECT * FROM textrange_test WHERE tr @> textrange('a', 'z');

SELECT * FROM textrange_test WHERE range_contained_by(textrange('0','9'), tr);

SELECT * FROM textrange_test WHERE 'e'::text <@ tr;

select * from textrange_test where tr = 'empty';

select * from textrange_test where tr = '("b","g")';

select * from textrange_test where tr = '["b","g")';

select * from textrange_test where tr < 'empty';

SET enable_seqscan    = t;

SET enable_indexscan  = f;

SET enable_bitmapscan = f;

select count(*) from test_range_gist where ir @> 'empty'::int4range;

select count(*) from test_range_gist where ir = int4range(10,20);

select count(*) from test_range_gist where ir @> 10;

select count(*) from test_range_gist where ir @> int4range(10,20);

select count(*) from test_range_gist where ir && int4range(10,20);

select count(*) from test_range_gist where ir <@ int4range(10,50);

select count(*) from test_range_gist where ir << int4range(100,500);

select count(*) from test_range_gist where ir >> int4range(100,500);

select count(*) from test_range_gist where ir &< int4range(100,500);

select count(*) from test_range_gist where ir &> int4range(100,500);

select count(*) from test_range_gist where ir -|- int4range(100,500);

select count(*) from test_range_gist where ir @> '{}'::int4multirange;

select count(*) from test_range_gist where ir @> int4multirange(int4range(10,20), int4range(30,40));

select count(*) from test_range_gist where ir && '{(10,20),(30,40),(50,60)}'::int4multirange;

select count(*) from test_range_gist where ir <@ '{(10,30),(40,60),(70,90)}'::int4multirange;

select count(*) from test_range_gist where ir << int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_range_gist where ir >> int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_range_gist where ir &< int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_range_gist where ir &> int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_range_gist where ir -|- int4multirange(int4range(100,200), int4range(400,500));

SET enable_seqscan    = f;

SET enable_indexscan  = t;

SET enable_bitmapscan = f;

select count(*) from test_range_gist where ir @> 'empty'::int4range;

select count(*) from test_range_gist where ir = int4range(10,20);

select count(*) from test_range_gist where ir @> 10;

select count(*) from test_range_gist where ir @> int4range(10,20);

select count(*) from test_range_gist where ir && int4range(10,20);

select count(*) from test_range_gist where ir <@ int4range(10,50);

select count(*) from test_range_gist where ir << int4range(100,500);

select count(*) from test_range_gist where ir >> int4range(100,500);

select count(*) from test_range_gist where ir &< int4range(100,500);

select count(*) from test_range_gist where ir &> int4range(100,500);

select count(*) from test_range_gist where ir -|- int4range(100,500);

select count(*) from test_range_gist where ir @> '{}'::int4multirange;

select count(*) from test_range_gist where ir @> int4multirange(int4range(10,20), int4range(30,40));

select count(*) from test_range_gist where ir && '{(10,20),(30,40),(50,60)}'::int4multirange;

select count(*) from test_range_gist where ir <@ '{(10,30),(40,60),(70,90)}'::int4multirange;

select count(*) from test_range_gist where ir << int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_range_gist where ir >> int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_range_gist where ir &< int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_range_gist where ir &> int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_range_gist where ir -|- int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_range_gist where ir @> 'empty'::int4range;

select count(*) from test_range_gist where ir = int4range(10,20);

select count(*) from test_range_gist where ir @> 10;

select count(*) from test_range_gist where ir @> int4range(10,20);

select count(*) from test_range_gist where ir && int4range(10,20);

select count(*) from test_range_gist where ir <@ int4range(10,50);

select count(*) from test_range_gist where ir << int4range(100,500);

select count(*) from test_range_gist where ir >> int4range(100,500);

select count(*) from test_range_gist where ir &< int4range(100,500);

select count(*) from test_range_gist where ir &> int4range(100,500);

select count(*) from test_range_gist where ir -|- int4range(100,500);

select count(*) from test_range_gist where ir @> '{}'::int4multirange;

select count(*) from test_range_gist where ir @> int4multirange(int4range(10,20), int4range(30,40));

select count(*) from test_range_gist where ir && '{(10,20),(30,40),(50,60)}'::int4multirange;

select count(*) from test_range_gist where ir <@ '{(10,30),(40,60),(70,90)}'::int4multirange;

select count(*) from test_range_gist where ir << int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_range_gist where ir >> int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_range_gist where ir &< int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_range_gist where ir &> int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_range_gist where ir -|- int4multirange(int4range(100,200), int4range(400,500));

SET enable_seqscan    = t;

SET enable_indexscan  = f;

SET enable_bitmapscan = f;

SET enable_seqscan    = f;

SET enable_indexscan  = t;

SET enable_bitmapscan = f;

RESET enable_seqscan;

RESET enable_indexscan;

RESET enable_bitmapscan;

SET enable_seqscan    = f;

select count(*) from test_range_elem where i <@ int4range(10,50);

select count(*) from test_range_elem where int4range(i,i+10) <@ int4range(10,30);

RESET enable_seqscan;

set timezone to '-08';

set timezone to default;

select * from float8range_test;

select * from i8r_array;

set enable_sort = off;

reset enable_sort;
