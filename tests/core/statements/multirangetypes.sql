SELECT nmr, isempty(nmr), lower(nmr), upper(nmr) FROM nummultirange_test ORDER BY nmr;

SELECT nmr, lower_inc(nmr), lower_inf(nmr), upper_inc(nmr), upper_inf(nmr) FROM nummultirange_test ORDER BY nmr;

SELECT * FROM nummultirange_test WHERE nmr = '{}';

SELECT * FROM nummultirange_test WHERE nmr = '{(,5)}';

SELECT * FROM nummultirange_test WHERE nmr = '{[3,)}';

SELECT * FROM nummultirange_test WHERE nmr = '{[1.7,1.7]}';

SELECT * FROM nummultirange_test WHERE nmr = '{[1.7,1.7],[1.9,2.1)}';

SELECT * FROM nummultirange_test WHERE nmr < '{}';

SELECT * FROM nummultirange_test WHERE nmr < '{[-1000.0, -1000.0]}';

SELECT * FROM nummultirange_test WHERE nmr < '{[0.0, 1.0]}';

SELECT * FROM nummultirange_test WHERE nmr < '{[1000.0, 1001.0]}';

SELECT * FROM nummultirange_test WHERE nmr <= '{}';

SELECT * FROM nummultirange_test WHERE nmr <= '{[3,)}';

SELECT * FROM nummultirange_test WHERE nmr >= '{}';

SELECT * FROM nummultirange_test WHERE nmr >= '{[3,)}';

SELECT * FROM nummultirange_test WHERE nmr > '{}';

SELECT * FROM nummultirange_test WHERE nmr > '{[-1000.0, -1000.0]}';

SELECT * FROM nummultirange_test WHERE nmr > '{[0.0, 1.0]}';

SELECT * FROM nummultirange_test WHERE nmr > '{[1000.0, 1001.0]}';

SELECT * FROM nummultirange_test WHERE nmr <> '{}';

SELECT * FROM nummultirange_test WHERE nmr <> '{(,5)}';

SELECT * FROM nummultirange_test WHERE range_overlaps_multirange(numrange(4.0, 4.2), nmr);

SELECT * FROM nummultirange_test WHERE numrange(4.0, 4.2) && nmr;

SELECT * FROM nummultirange_test WHERE multirange_overlaps_range(nmr, numrange(4.0, 4.2));

SELECT * FROM nummultirange_test WHERE nmr && numrange(4.0, 4.2);

SELECT * FROM nummultirange_test WHERE multirange_overlaps_multirange(nmr, nummultirange(numrange(4.0, 4.2), numrange(6.0, 7.0)));

SELECT * FROM nummultirange_test WHERE nmr && nummultirange(numrange(4.0, 4.2), numrange(6.0, 7.0));

SELECT * FROM nummultirange_test WHERE nmr && nummultirange(numrange(6.0, 7.0));

SELECT * FROM nummultirange_test WHERE nmr && nummultirange(numrange(6.0, 7.0), numrange(8.0, 9.0));

SELECT * FROM nummultirange_test WHERE multirange_contains_elem(nmr, 4.0);

SELECT * FROM nummultirange_test WHERE nmr @> 4.0;

SELECT * FROM nummultirange_test WHERE multirange_contains_range(nmr, numrange(4.0, 4.2));

SELECT * FROM nummultirange_test WHERE nmr @> numrange(4.0, 4.2);

SELECT * FROM nummultirange_test WHERE multirange_contains_multirange(nmr, '{[4.0,4.2), [6.0, 8.0)}');

SELECT * FROM nummultirange_test WHERE nmr @> '{[4.0,4.2), [6.0, 8.0)}'::nummultirange;

SELECT * FROM nummultirange_test WHERE elem_contained_by_multirange(4.0, nmr);

SELECT * FROM nummultirange_test WHERE 4.0 <@ nmr;

SELECT * FROM nummultirange_test WHERE range_contained_by_multirange(numrange(4.0, 4.2), nmr);

SELECT * FROM nummultirange_test WHERE numrange(4.0, 4.2) <@ nmr;

SELECT * FROM nummultirange_test WHERE multirange_contained_by_multirange('{[4.0,4.2), [6.0, 8.0)}', nmr);

SELECT * FROM nummultirange_test WHERE '{[4.0,4.2), [6.0, 8.0)}'::nummultirange <@ nmr;

SET enable_seqscan    = t;

SET enable_indexscan  = f;

SET enable_bitmapscan = f;

select count(*) from test_multirange_gist where mr = '{}'::int4multirange;

select count(*) from test_multirange_gist where mr @> 'empty'::int4range;

select count(*) from test_multirange_gist where mr && 'empty'::int4range;

select count(*) from test_multirange_gist where mr <@ 'empty'::int4range;

select count(*) from test_multirange_gist where mr << 'empty'::int4range;

select count(*) from test_multirange_gist where mr >> 'empty'::int4range;

select count(*) from test_multirange_gist where mr &< 'empty'::int4range;

select count(*) from test_multirange_gist where mr &> 'empty'::int4range;

select count(*) from test_multirange_gist where mr -|- 'empty'::int4range;

select count(*) from test_multirange_gist where mr @> '{}'::int4multirange;

select count(*) from test_multirange_gist where mr && '{}'::int4multirange;

select count(*) from test_multirange_gist where mr <@ '{}'::int4multirange;

select count(*) from test_multirange_gist where mr << '{}'::int4multirange;

select count(*) from test_multirange_gist where mr >> '{}'::int4multirange;

select count(*) from test_multirange_gist where mr &< '{}'::int4multirange;

select count(*) from test_multirange_gist where mr &> '{}'::int4multirange;

select count(*) from test_multirange_gist where mr -|- '{}'::int4multirange;

select count(*) from test_multirange_gist where mr = int4multirange(int4range(10,20), int4range(30,40), int4range(50,60));

select count(*) from test_multirange_gist where mr @> 10;

select count(*) from test_multirange_gist where mr @> int4range(10,20);

select count(*) from test_multirange_gist where mr && int4range(10,20);

select count(*) from test_multirange_gist where mr <@ int4range(10,50);

select count(*) from test_multirange_gist where mr << int4range(100,500);

select count(*) from test_multirange_gist where mr >> int4range(100,500);

select count(*) from test_multirange_gist where mr &< int4range(100,500);

select count(*) from test_multirange_gist where mr &> int4range(100,500);

select count(*) from test_multirange_gist where mr -|- int4range(100,500);

select count(*) from test_multirange_gist where mr @> '{}'::int4multirange;

select count(*) from test_multirange_gist where mr @> int4multirange(int4range(10,20), int4range(30,40));

select count(*) from test_multirange_gist where mr && '{(10,20),(30,40),(50,60)}'::int4multirange;

select count(*) from test_multirange_gist where mr <@ '{(10,30),(40,60),(70,90)}'::int4multirange;

select count(*) from test_multirange_gist where mr << int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_multirange_gist where mr >> int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_multirange_gist where mr &< int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_multirange_gist where mr &> int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_multirange_gist where mr -|- int4multirange(int4range(100,200), int4range(400,500));

SET enable_seqscan    = f;

SET enable_indexscan  = t;

SET enable_bitmapscan = f;

select count(*) from test_multirange_gist where mr = '{}'::int4multirange;

select count(*) from test_multirange_gist where mr @> 'empty'::int4range;

select count(*) from test_multirange_gist where mr && 'empty'::int4range;

select count(*) from test_multirange_gist where mr <@ 'empty'::int4range;

select count(*) from test_multirange_gist where mr << 'empty'::int4range;

select count(*) from test_multirange_gist where mr >> 'empty'::int4range;

select count(*) from test_multirange_gist where mr &< 'empty'::int4range;

select count(*) from test_multirange_gist where mr &> 'empty'::int4range;

select count(*) from test_multirange_gist where mr -|- 'empty'::int4range;

select count(*) from test_multirange_gist where mr @> '{}'::int4multirange;

select count(*) from test_multirange_gist where mr && '{}'::int4multirange;

select count(*) from test_multirange_gist where mr <@ '{}'::int4multirange;

select count(*) from test_multirange_gist where mr << '{}'::int4multirange;

select count(*) from test_multirange_gist where mr >> '{}'::int4multirange;

select count(*) from test_multirange_gist where mr &< '{}'::int4multirange;

select count(*) from test_multirange_gist where mr &> '{}'::int4multirange;

select count(*) from test_multirange_gist where mr -|- '{}'::int4multirange;

select count(*) from test_multirange_gist where mr @> 'empty'::int4range;

select count(*) from test_multirange_gist where mr = int4multirange(int4range(10,20), int4range(30,40), int4range(50,60));

select count(*) from test_multirange_gist where mr @> 10;

select count(*) from test_multirange_gist where mr @> int4range(10,20);

select count(*) from test_multirange_gist where mr && int4range(10,20);

select count(*) from test_multirange_gist where mr <@ int4range(10,50);

select count(*) from test_multirange_gist where mr << int4range(100,500);

select count(*) from test_multirange_gist where mr >> int4range(100,500);

select count(*) from test_multirange_gist where mr &< int4range(100,500);

select count(*) from test_multirange_gist where mr &> int4range(100,500);

select count(*) from test_multirange_gist where mr -|- int4range(100,500);

select count(*) from test_multirange_gist where mr @> '{}'::int4multirange;

select count(*) from test_multirange_gist where mr @> int4multirange(int4range(10,20), int4range(30,40));

select count(*) from test_multirange_gist where mr && '{(10,20),(30,40),(50,60)}'::int4multirange;

select count(*) from test_multirange_gist where mr <@ '{(10,30),(40,60),(70,90)}'::int4multirange;

select count(*) from test_multirange_gist where mr << int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_multirange_gist where mr >> int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_multirange_gist where mr &< int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_multirange_gist where mr &> int4multirange(int4range(100,200), int4range(400,500));

select count(*) from test_multirange_gist where mr -|- int4multirange(int4range(100,200), int4range(400,500));

SELECT   room_id, range_agg(booked_during)
FROM     reservations
GROUP BY room_id
ORDER BY room_id;

select range_agg(nmr) from nummultirange_test;

select range_agg(nmr) from nummultirange_test where false;

select range_agg(null::nummultirange) from nummultirange_test;

select range_intersect_agg(nmr) from nummultirange_test;

select range_intersect_agg(nmr) from nummultirange_test where false;

select range_intersect_agg(null::nummultirange) from nummultirange_test;

select range_intersect_agg(nmr) from nummultirange_test where nmr @> 4.0;

create table nummultirange_test2(nmr nummultirange);

create index nummultirange_test2_hash_idx on nummultirange_test2 using hash (nmr);

INSERT INTO nummultirange_test2 VALUES('{[, 5)}');

INSERT INTO nummultirange_test2 VALUES(nummultirange(numrange(1.1, 2.2)));

INSERT INTO nummultirange_test2 VALUES(nummultirange(numrange(1.1, 2.2)));

INSERT INTO nummultirange_test2 VALUES(nummultirange(numrange(1.1, 2.2,'()')));

INSERT INTO nummultirange_test2 VALUES('{}');

set enable_nestloop=t;

set enable_hashjoin=f;

set enable_mergejoin=f;

select * from nummultirange_test natural join nummultirange_test2 order by nmr;

set enable_nestloop=f;

set enable_hashjoin=t;

set enable_mergejoin=f;

select * from nummultirange_test natural join nummultirange_test2 order by nmr;

set enable_nestloop=f;

set enable_hashjoin=f;

set enable_mergejoin=t;

select * from nummultirange_test natural join nummultirange_test2 order by nmr;

set enable_nestloop to default;

set enable_hashjoin to default;

set enable_mergejoin to default;

DROP TABLE nummultirange_test2;

select * from float8multirange_test;

select * from i8mr_array;

set enable_sort = off;

reset enable_sort;
