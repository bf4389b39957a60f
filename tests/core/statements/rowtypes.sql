select unique1, unique2 from tenk1
where (unique1, unique2) < any (select ten, ten from tenk1 where hundred < 3)
      and unique1 <= 20
order by 1;

select thousand, tenthous from tenk1
where (thousand, tenthous) >= (997, 5000)
order by thousand, tenthous;

select thousand, tenthous, four from tenk1
where (thousand, tenthous, four) > (998, 5000, 3)
order by thousand, tenthous;

select thousand, tenthous from tenk1
where (998, 5000) < (thousand, tenthous)
order by thousand, tenthous;

select thousand, hundred from tenk1
where (998, 5000) < (thousand, hundred)
order by thousand, hundred;

set enable_sort = off;

reset enable_sort;

select * from int8_tbl i8 where i8 in (row(123,456));

select * from int8_tbl i8
where i8 in (row(123,456)::int8_tbl, '(4567890123456789,123)');

select row_to_json(i) from int8_tbl i;

select row_to_json(i) from int8_tbl i(x,y);

select row_to_json(ss) from
  (select q1, q2 from int8_tbl) as ss;

select row_to_json(ss) from
  (select q1, q2 from int8_tbl offset 0) as ss;

select row_to_json(ss) from
  (select q1 as a, q2 as b from int8_tbl) as ss;

select row_to_json(ss) from
  (select q1 as a, q2 as b from int8_tbl offset 0) as ss;

select row_to_json(ss) from
  (select q1 as a, q2 as b from int8_tbl) as ss(x,y);

select row_to_json(ss) from
  (select q1 as a, q2 as b from int8_tbl offset 0) as ss(x,y);

select row_to_json(q) from
  (select thousand, tenthous from tenk1
   where thousand = 42 and tenthous < 2000 offset 0) q;

select row_to_json(q) from
  (select thousand as x, tenthous as y from tenk1
   where thousand = 42 and tenthous < 2000 offset 0) q;

select row_to_json(q) from
  (select thousand as x, tenthous as y from tenk1
   where thousand = 42 and tenthous < 2000 offset 0) q(a,b);
