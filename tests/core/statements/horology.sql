set datestyle to dmy;

reset datestyle;

SET DateStyle = 'German';

SET DateStyle = 'ISO';

SET DateStyle = 'Postgres, MDY';

SELECT d1 + interval '1 year' AS one_year FROM TIMESTAMP_TBL;

SELECT d1 - interval '1 year' AS one_year FROM TIMESTAMP_TBL;

SET TIME ZONE 'CST7CDT,M4.1.0,M10.5.0';

RESET TIME ZONE;

SELECT d1 + interval '1 year' AS one_year FROM TIMESTAMPTZ_TBL;

SELECT d1 - interval '1 year' AS one_year FROM TIMESTAMPTZ_TBL;

SELECT t.d1 AS t, i.f1 AS i, t.d1 + i.f1 AS "add", t.d1 - i.f1 AS "subtract"
  FROM TIMESTAMP_TBL t, INTERVAL_TBL i
  WHERE t.d1 BETWEEN '1990-01-01' AND '2001-01-01'
    AND i.f1 BETWEEN '00:00' AND '23:00'
  ORDER BY 1,2;

SELECT t.f1 AS t, i.f1 AS i, t.f1 + i.f1 AS "add", t.f1 - i.f1 AS "subtract"
  FROM TIME_TBL t, INTERVAL_TBL i
  ORDER BY 1,2;

SELECT t.f1 AS t, i.f1 AS i, t.f1 + i.f1 AS "add", t.f1 - i.f1 AS "subtract"
  FROM TIMETZ_TBL t, INTERVAL_TBL i
  ORDER BY 1,2;

SELECT f1 AS "timestamp"
  FROM TEMP_TIMESTAMP
  ORDER BY "timestamp";

SELECT d.f1 AS "timestamp", t.f1 AS "interval", d.f1 + t.f1 AS plus
  FROM TEMP_TIMESTAMP d, INTERVAL_TBL t
  ORDER BY plus, "timestamp", "interval";

SELECT d.f1 AS "timestamp", t.f1 AS "interval", d.f1 - t.f1 AS minus
  FROM TEMP_TIMESTAMP d, INTERVAL_TBL t
  WHERE isfinite(d.f1)
  ORDER BY minus, "timestamp", "interval";

SELECT d.f1 AS "timestamp",
   timestamp with time zone '1980-01-06 00:00 GMT' AS gpstime_zero,
   d.f1 - timestamp with time zone '1980-01-06 00:00 GMT' AS difference
  FROM TEMP_TIMESTAMP d
  ORDER BY difference;

SELECT d1.f1 AS timestamp1, d2.f1 AS timestamp2, d1.f1 - d2.f1 AS difference
  FROM TEMP_TIMESTAMP d1, TEMP_TIMESTAMP d2
  ORDER BY timestamp1, timestamp2, difference;

SELECT f1 AS "timestamp", date(f1) AS date
  FROM TEMP_TIMESTAMP
  WHERE f1 <> timestamp 'now'
  ORDER BY date, "timestamp";

SET TimeZone = 'UTC-2';

RESET TimeZone;

select count(*) from date_tbl
  where f1 between '1997-01-01' and '1998-01-01';

select count(*) from date_tbl
  where f1 not between '1997-01-01' and '1998-01-01';

select count(*) from date_tbl
  where f1 between symmetric '1997-01-01' and '1998-01-01';

select count(*) from date_tbl
  where f1 not between symmetric '1997-01-01' and '1998-01-01';

SET DateStyle TO 'US,Postgres';

SELECT d1 AS us_postgres FROM TIMESTAMP_TBL;

SET DateStyle TO 'US,ISO';

SELECT d1 AS us_iso FROM TIMESTAMP_TBL;

SET DateStyle TO 'US,SQL';

SELECT d1 AS us_sql FROM TIMESTAMP_TBL;

SET DateStyle TO 'European,Postgres';

SELECT count(*) as one FROM TIMESTAMP_TBL WHERE d1 = 'Jun 13 1957';

SELECT d1 AS european_postgres FROM TIMESTAMP_TBL;

SET DateStyle TO 'European,ISO';

SELECT d1 AS european_iso FROM TIMESTAMP_TBL;

SET DateStyle TO 'European,SQL';

SELECT d1 AS european_sql FROM TIMESTAMP_TBL;

RESET DateStyle;

SET TIME ZONE 'America/New_York';

SET TIME ZONE '-1.5';

RESET TIME ZONE;
