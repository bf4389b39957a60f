-- One table with a column of every type that a cold file holds, and the values at the edges of each.
-- Plain psql on PostgreSQL 15 or newer, database in UTF-8. Rows lie in 2025-01, 02 and 03 (UTC);
-- drop table every_type and the types every_* to start again.
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET timezone = 'UTC';
SET lc_monetary = 'C';
SET extra_float_digits = 1;
SET standard_conforming_strings = on;
SET client_min_messages = warning;
SET client_encoding = 'UTF8';

CREATE TYPE every_color AS ENUM ('red', 'it''s blue', 'Grün');
CREATE TYPE every_pair AS (a int4, b text);
CREATE TYPE every_nested AS (pair every_pair, "Day" date, list int4[]);
CREATE TYPE every_textrange AS RANGE (subtype = text, collation = "C");
CREATE DOMAIN every_domain_int AS int4 CHECK (VALUE > 0);
CREATE DOMAIN every_domain_text AS varchar(10) CHECK (VALUE <> '');
CREATE DOMAIN every_domain_ts AS timestamptz;
CREATE DOMAIN every_domain_domain AS every_domain_int CHECK (VALUE < 10);
CREATE DOMAIN every_domain_array AS int4[];
CREATE DOMAIN every_domain_enum AS every_color;

CREATE TABLE every_type (
    id int8,
    ts timestamptz NOT NULL,
    c_bool bool,
    c_int2 int2,
    c_int4 int4,
    c_int8 int8,
    c_oid oid,
    c_xid xid,
    c_xid8 xid8,
    c_cid cid,
    c_tid tid,
    c_regproc regproc,
    c_regprocedure regprocedure,
    c_regoper regoper,
    c_regoperator regoperator,
    c_regclass regclass,
    c_regtype regtype,
    c_regrole regrole,
    c_regnamespace regnamespace,
    c_regconfig regconfig,
    c_regdictionary regdictionary,
    c_regcollation regcollation,
    c_float4 float4,
    c_float8 float8,
    c_numeric numeric,
    c_numeric_10_2 numeric(10,2),
    c_numeric_5_m2 numeric(5,-2),
    c_money money,
    c_text text,
    c_varchar varchar,
    c_varchar_5 varchar(5),
    c_bpchar_5 char(5),
    c_bpchar bpchar,
    c_name name,
    c_char "char",
    c_text_c text COLLATE "C",
    c_bytea bytea,
    c_uuid uuid,
    c_date date,
    c_time time,
    c_time_0 time(0),
    c_timetz timetz,
    c_timestamp timestamp,
    c_timestamptz timestamptz,
    c_timestamptz_3 timestamptz(3),
    c_interval interval,
    c_interval_dts interval day to second(3),
    c_json json,
    c_jsonb jsonb,
    c_jsonpath jsonpath,
    c_xml xml,
    c_enum every_color,
    c_domain_int every_domain_int,
    c_domain_text every_domain_text,
    c_domain_ts every_domain_ts,
    c_domain_domain every_domain_domain,
    c_domain_array every_domain_array,
    c_domain_enum every_domain_enum,
    c_composite every_pair,
    c_nested every_nested,
    c_int4range int4range,
    c_int8range int8range,
    c_numrange numrange,
    c_tsrange tsrange,
    c_tstzrange tstzrange,
    c_daterange daterange,
    c_textrange every_textrange,
    c_int4multirange int4multirange,
    c_nummultirange nummultirange,
    c_tstzmultirange tstzmultirange,
    c_datemultirange datemultirange,
    c_inet inet,
    c_cidr cidr,
    c_macaddr macaddr,
    c_macaddr8 macaddr8,
    c_bit_8 bit(8),
    c_varbit varbit,
    c_pg_lsn pg_lsn,
    c_tsvector tsvector,
    c_tsquery tsquery,
    c_point point,
    c_line line,
    c_lseg lseg,
    c_box box,
    c_path path,
    c_polygon polygon,
    c_circle circle,
    c_int2vector int2vector,
    c_oidvector oidvector,
    c_pg_snapshot pg_snapshot,
    c_refcursor refcursor,
    c_bool_array bool[],
    c_int2_array int2[],
    c_int4_array int4[],
    c_int8_array int8[],
    c_oid_array oid[],
    c_xid_array xid[],
    c_xid8_array xid8[],
    c_cid_array cid[],
    c_tid_array tid[],
    c_regproc_array regproc[],
    c_regprocedure_array regprocedure[],
    c_regoper_array regoper[],
    c_regoperator_array regoperator[],
    c_regclass_array regclass[],
    c_regtype_array regtype[],
    c_regrole_array regrole[],
    c_regnamespace_array regnamespace[],
    c_regconfig_array regconfig[],
    c_regdictionary_array regdictionary[],
    c_regcollation_array regcollation[],
    c_float4_array float4[],
    c_float8_array float8[],
    c_numeric_array numeric[],
    c_numeric_10_2_array numeric(10,2)[],
    c_numeric_5_m2_array numeric(5,-2)[],
    c_money_array money[],
    c_text_array text[],
    c_varchar_array varchar[],
    c_varchar_5_array varchar(5)[],
    c_bpchar_5_array char(5)[],
    c_bpchar_array bpchar[],
    c_name_array name[],
    c_char_array "char"[],
    c_bytea_array bytea[],
    c_uuid_array uuid[],
    c_date_array date[],
    c_time_array time[],
    c_time_0_array time(0)[],
    c_timetz_array timetz[],
    c_timestamp_array timestamp[],
    c_timestamptz_array timestamptz[],
    c_timestamptz_3_array timestamptz(3)[],
    c_interval_array interval[],
    c_interval_dts_array interval day to second(3)[],
    c_json_array json[],
    c_jsonb_array jsonb[],
    c_jsonpath_array jsonpath[],
    c_xml_array xml[],
    c_enum_array every_color[],
    c_domain_int_array every_domain_int[],
    c_domain_text_array every_domain_text[],
    c_domain_ts_array every_domain_ts[],
    c_domain_domain_array every_domain_domain[],
    c_domain_enum_array every_domain_enum[],
    c_composite_array every_pair[],
    c_nested_array every_nested[],
    c_int4range_array int4range[],
    c_int8range_array int8range[],
    c_numrange_array numrange[],
    c_tsrange_array tsrange[],
    c_tstzrange_array tstzrange[],
    c_daterange_array daterange[],
    c_textrange_array every_textrange[],
    c_int4multirange_array int4multirange[],
    c_nummultirange_array nummultirange[],
    c_tstzmultirange_array tstzmultirange[],
    c_datemultirange_array datemultirange[],
    c_inet_array inet[],
    c_cidr_array cidr[],
    c_macaddr_array macaddr[],
    c_macaddr8_array macaddr8[],
    c_bit_8_array bit(8)[],
    c_varbit_array varbit[],
    c_pg_lsn_array pg_lsn[],
    c_tsvector_array tsvector[],
    c_tsquery_array tsquery[],
    c_point_array point[],
    c_line_array line[],
    c_lseg_array lseg[],
    c_box_array box[],
    c_path_array path[],
    c_polygon_array polygon[],
    c_circle_array circle[],
    c_pg_snapshot_array pg_snapshot[],
    c_refcursor_array refcursor[],
    "A" int4,
    "a" int4,
    "rowid" int4,
    oid int4,
    _rowid_ text,
    PRIMARY KEY (id, ts)
);

-- The n-th row goes to a day of its own, so that each type has rows in more than one month.
CREATE FUNCTION pg_temp.day(id int8) RETURNS timestamptz IMMUTABLE LANGUAGE sql
    AS $$ SELECT timestamptz '2025-01-01 00:00:00.000001+00' + (id * 31 % 89) * interval '1 day' + id * interval '1 second' $$;

-- all NULL, in each month
INSERT INTO every_type (id, ts) VALUES
    (1, '2025-01-01 00:00:00+00'),
    (2, '2025-02-28 23:59:59.999999+00'),
    (3, '2025-03-31 23:59:59.999999+00');

INSERT INTO every_type (id, ts, c_bool)
SELECT 100 + n, pg_temp.day(100 + n), list[n]
FROM (SELECT ARRAY['true', 'false']::bool[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_int2)
SELECT 120 + n, pg_temp.day(120 + n), list[n]
FROM (SELECT ARRAY['-32768', '-1', '0', '32767']::int2[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_int4)
SELECT 140 + n, pg_temp.day(140 + n), list[n]
FROM (SELECT ARRAY['-2147483648', '-1', '0', '2147483647']::int4[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_int8)
SELECT 160 + n, pg_temp.day(160 + n), list[n]
FROM (SELECT ARRAY['-9223372036854775808', '-9007199254740993', '0', '9007199254740993', '9223372036854775807']::int8[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_oid)
SELECT 180 + n, pg_temp.day(180 + n), list[n]
FROM (SELECT ARRAY['0', '1', '2147483648', '4294967295']::oid[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_xid)
SELECT 200 + n, pg_temp.day(200 + n), list[n]
FROM (SELECT ARRAY['3', '4294967295']::xid[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_xid8)
SELECT 220 + n, pg_temp.day(220 + n), list[n]
FROM (SELECT ARRAY['0', '9223372036854775807', '9223372036854775808', '18446744073709551615']::xid8[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_cid)
SELECT 240 + n, pg_temp.day(240 + n), list[n]
FROM (SELECT ARRAY['0', '4294967295']::cid[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_tid)
SELECT 260 + n, pg_temp.day(260 + n), list[n]
FROM (SELECT ARRAY['(0,1)', '(4294967295,65535)']::tid[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_regproc)
SELECT 280 + n, pg_temp.day(280 + n), list[n]
FROM (SELECT ARRAY['now', '-']::regproc[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_regprocedure)
SELECT 300 + n, pg_temp.day(300 + n), list[n]
FROM (SELECT ARRAY['lower(text)', '-']::regprocedure[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_regoper)
SELECT 320 + n, pg_temp.day(320 + n), list[n]
FROM (SELECT ARRAY['||/', '0']::regoper[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_regoperator)
SELECT 340 + n, pg_temp.day(340 + n), list[n]
FROM (SELECT ARRAY['+(int4,int4)', '0']::regoperator[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_regclass)
SELECT 360 + n, pg_temp.day(360 + n), list[n]
FROM (SELECT ARRAY['pg_class', '-']::regclass[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_regtype)
SELECT 380 + n, pg_temp.day(380 + n), list[n]
FROM (SELECT ARRAY['timestamptz', 'int4[]', '-']::regtype[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_regrole)
SELECT 400 + n, pg_temp.day(400 + n), list[n]
FROM (SELECT ARRAY['pg_monitor', '-']::regrole[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_regnamespace)
SELECT 420 + n, pg_temp.day(420 + n), list[n]
FROM (SELECT ARRAY['pg_catalog', '-']::regnamespace[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_regconfig)
SELECT 440 + n, pg_temp.day(440 + n), list[n]
FROM (SELECT ARRAY['english', '-']::regconfig[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_regdictionary)
SELECT 460 + n, pg_temp.day(460 + n), list[n]
FROM (SELECT ARRAY['simple', '-']::regdictionary[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_regcollation)
SELECT 480 + n, pg_temp.day(480 + n), list[n]
FROM (SELECT ARRAY['"C"', '-']::regcollation[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_float4)
SELECT 500 + n, pg_temp.day(500 + n), list[n]
FROM (SELECT ARRAY['NaN', '-0', '0', 'Infinity', '-Infinity', '1.1754944e-38', '1e-45', '3.4028235e+38', '0.1', '16777217']::float4[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_float8)
SELECT 520 + n, pg_temp.day(520 + n), list[n]
FROM (SELECT ARRAY['NaN', '-0', '0', 'Infinity', '-Infinity', '2.2250738585072014e-308', '5e-324', '1.7976931348623157e+308', '0.1', '9007199254740993']::float8[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_numeric)
SELECT 540 + n, pg_temp.day(540 + n), list[n]
FROM (SELECT ARRAY['NaN', 'Infinity', '-Infinity', '0', '0.00', '1.10', '1.1', '-1.1', '12345678901234567890', '12345678901234567890.12345678901234567890', '1e-20', '1e100']::numeric[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_numeric_10_2)
SELECT 560 + n, pg_temp.day(560 + n), list[n]
FROM (SELECT ARRAY['NaN', '0', '1.10', '99999999.99', '-99999999.99']::numeric(10,2)[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_numeric_5_m2)
SELECT 580 + n, pg_temp.day(580 + n), list[n]
FROM (SELECT ARRAY['1234500', '-100']::numeric(5,-2)[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_money)
SELECT 600 + n, pg_temp.day(600 + n), list[n]
FROM (SELECT ARRAY['0', '-0.01', '92233720368547758.07', '-92233720368547758.08']::money[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_text)
SELECT 620 + n, pg_temp.day(620 + n), list[n]
FROM (SELECT ARRAY['', 'a', 'NULL', ' leading and trailing ', 'it''s "quoted"', 'back\slash', E'line\nbreak\ttab\rreturn', 'Zähler Ж 漢字 😀', 'é é', '1', '2025-01-01']::text[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_varchar)
SELECT 640 + n, pg_temp.day(640 + n), list[n]
FROM (SELECT ARRAY['', 'a ', 'Ä']::varchar[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_varchar_5)
SELECT 660 + n, pg_temp.day(660 + n), list[n]
FROM (SELECT ARRAY['', 'abcde', '漢字']::varchar(5)[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_bpchar_5)
SELECT 680 + n, pg_temp.day(680 + n), list[n]
FROM (SELECT ARRAY['', 'a', 'abcde', 'Ä']::char(5)[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_bpchar)
SELECT 700 + n, pg_temp.day(700 + n), list[n]
FROM (SELECT ARRAY['', 'a  ']::bpchar[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_name)
SELECT 720 + n, pg_temp.day(720 + n), list[n]
FROM (SELECT ARRAY['', 'pg_class', 'Ж']::name[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_char)
SELECT 740 + n, pg_temp.day(740 + n), list[n]
FROM (SELECT ARRAY['', 'a', '\']::"char"[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_text_c)
SELECT 760 + n, pg_temp.day(760 + n), list[n]
FROM (SELECT ARRAY['', 'a', 'B', 'ä']::text[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_bytea)
SELECT 780 + n, pg_temp.day(780 + n), list[n]
FROM (SELECT ARRAY['', '\x00', '\xff00fe', '\x4e614e']::bytea[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_uuid)
SELECT 800 + n, pg_temp.day(800 + n), list[n]
FROM (SELECT ARRAY['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']::uuid[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_date)
SELECT 820 + n, pg_temp.day(820 + n), list[n]
FROM (SELECT ARRAY['infinity', '-infinity', '4714-11-24 BC', '0001-12-31 BC', '0001-01-01', '1582-10-15', '1969-12-31', '1970-01-01', '2000-01-01', '2024-02-29', '9999-12-31', '10000-01-01', '5874897-12-31']::date[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_time)
SELECT 840 + n, pg_temp.day(840 + n), list[n]
FROM (SELECT ARRAY['00:00', '00:00:00.000001', '23:59:59.999999', '24:00']::time[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_time_0)
SELECT 860 + n, pg_temp.day(860 + n), list[n]
FROM (SELECT ARRAY['12:34:56', '24:00']::time(0)[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_timetz)
SELECT 880 + n, pg_temp.day(880 + n), list[n]
FROM (SELECT ARRAY['00:00+15:59', '23:59:59.999999-15:59', '24:00+00', '12:00:00.5+05:30:15']::timetz[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_timestamp)
SELECT 900 + n, pg_temp.day(900 + n), list[n]
FROM (SELECT ARRAY['infinity', '-infinity', '4714-11-24 BC', '0001-12-31 23:59:59.999999 BC', '0001-01-01', '1969-12-31 23:59:59.999999', '1970-01-01', '2000-01-01', '9999-12-31 23:59:59.999999', '10000-01-01', '294247-01-10 04:00:54.775806', '294247-01-10 04:00:54.775807', '294247-01-10 04:00:54.775808', '294276-12-31 23:59:59.999999']::timestamp[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_timestamptz)
SELECT 920 + n, pg_temp.day(920 + n), list[n]
FROM (SELECT ARRAY['infinity', '-infinity', '4714-11-24 00:00:00+00 BC', '0001-12-31 23:59:59.999999+00 BC', '0001-01-01 00:00:00+00', '1969-12-31 23:59:59.999999+00', '1970-01-01 00:00:00+00', '2025-03-30 01:30:00+01', '9999-12-31 23:59:59.999999+00', '10000-01-01 00:00:00+00', '294247-01-10 04:00:54.775806+00', '294247-01-10 04:00:54.775807+00', '294247-01-10 04:00:54.775808+00', '294276-12-31 23:59:59.999999+00']::timestamptz[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_timestamptz_3)
SELECT 940 + n, pg_temp.day(940 + n), list[n]
FROM (SELECT ARRAY['2025-01-01 00:00:00.123+00']::timestamptz(3)[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_interval)
SELECT 960 + n, pg_temp.day(960 + n), list[n]
FROM (SELECT ARRAY['0', '1 mon', '30 days', '720:00:00', '-1 year +2 mons -3 days +04:05:06.000007', '1 year -2 mons +3 days -04:05:06.000007', '-00:00:00.000001', '178000000 years', '-178000000 years']::interval[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_interval_dts)
SELECT 980 + n, pg_temp.day(980 + n), list[n]
FROM (SELECT ARRAY['1 02:03:04.567']::interval day to second(3)[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_json)
SELECT 1000 + n, pg_temp.day(1000 + n), list[n]
FROM (SELECT ARRAY['null', '{}', '{"b":1, "a" : 1.10,"a":2}', '[1e400, 12345678901234567890.10]', '"\u00e9"']::json[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_jsonb)
SELECT 1020 + n, pg_temp.day(1020 + n), list[n]
FROM (SELECT ARRAY['null', '{}', '{"b":1,"a":1.10}', '[12345678901234567890.10, 1e20]', '"é\n"']::jsonb[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_jsonpath)
SELECT 1040 + n, pg_temp.day(1040 + n), list[n]
FROM (SELECT ARRAY['$', '$.a[*] ? (@.b > 1.10)']::jsonpath[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_xml)
SELECT 1060 + n, pg_temp.day(1060 + n), list[n]
FROM (SELECT ARRAY['<a/>', '<a b="1">x &amp; y<!-- c --></a>', 'text only']::xml[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_enum)
SELECT 1080 + n, pg_temp.day(1080 + n), list[n]
FROM (SELECT ARRAY['red', 'it''s blue', 'Grün']::every_color[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_domain_int)
SELECT 1100 + n, pg_temp.day(1100 + n), list[n]
FROM (SELECT ARRAY['1', '2147483647']::every_domain_int[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_domain_text)
SELECT 1120 + n, pg_temp.day(1120 + n), list[n]
FROM (SELECT ARRAY['a', 'Zähler']::every_domain_text[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_domain_ts)
SELECT 1140 + n, pg_temp.day(1140 + n), list[n]
FROM (SELECT ARRAY['2025-02-01 00:00:00+00', 'infinity']::every_domain_ts[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_domain_domain)
SELECT 1160 + n, pg_temp.day(1160 + n), list[n]
FROM (SELECT ARRAY['7']::every_domain_domain[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_domain_array)
SELECT 1180 + n, pg_temp.day(1180 + n), list[n]
FROM (SELECT ARRAY['{1,2}', '{}']::every_domain_array[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_domain_enum)
SELECT 1200 + n, pg_temp.day(1200 + n), list[n]
FROM (SELECT ARRAY['red']::every_domain_enum[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_composite)
SELECT 1220 + n, pg_temp.day(1220 + n), list[n]
FROM (SELECT ARRAY['(,)', '(1,"")', '(-1,"a ""b"" (c), d")', '(2147483647,NULL)']::every_pair[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_nested)
SELECT 1240 + n, pg_temp.day(1240 + n), list[n]
FROM (SELECT ARRAY['("(1,x)",2025-01-01,"{1,NULL}")', '(,,)']::every_nested[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_int4range)
SELECT 1260 + n, pg_temp.day(1260 + n), list[n]
FROM (SELECT ARRAY['empty', '(,)', '[1,10)', '[,5]', '(-2147483648,2147483647)']::int4range[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_int8range)
SELECT 1280 + n, pg_temp.day(1280 + n), list[n]
FROM (SELECT ARRAY['empty', '[1,9223372036854775807)']::int8range[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_numrange)
SELECT 1300 + n, pg_temp.day(1300 + n), list[n]
FROM (SELECT ARRAY['empty', '(1.10,2.0]', '[-Infinity,Infinity]']::numrange[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_tsrange)
SELECT 1320 + n, pg_temp.day(1320 + n), list[n]
FROM (SELECT ARRAY['empty', '[2025-01-01,infinity)', '(,)']::tsrange[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_tstzrange)
SELECT 1340 + n, pg_temp.day(1340 + n), list[n]
FROM (SELECT ARRAY['empty', '[2025-01-01 00:00+00,2025-02-01 00:00+00)', '(-infinity,)']::tstzrange[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_daterange)
SELECT 1360 + n, pg_temp.day(1360 + n), list[n]
FROM (SELECT ARRAY['empty', '[2025-01-01,2025-01-31]', '[-infinity,infinity]']::daterange[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_textrange)
SELECT 1380 + n, pg_temp.day(1380 + n), list[n]
FROM (SELECT ARRAY['empty', '["a b","c,""d"]', '(,)']::every_textrange[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_int4multirange)
SELECT 1400 + n, pg_temp.day(1400 + n), list[n]
FROM (SELECT ARRAY['{}', '{[1,3),[5,9)}', '{(,)}']::int4multirange[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_nummultirange)
SELECT 1420 + n, pg_temp.day(1420 + n), list[n]
FROM (SELECT ARRAY['{}', '{[1.10,2),(3,)}']::nummultirange[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_tstzmultirange)
SELECT 1440 + n, pg_temp.day(1440 + n), list[n]
FROM (SELECT ARRAY['{}', '{[2025-01-01 00:00+00,2025-01-02 00:00+00),[infinity,)}']::tstzmultirange[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_datemultirange)
SELECT 1460 + n, pg_temp.day(1460 + n), list[n]
FROM (SELECT ARRAY['{}', '{[2025-01-01,2025-02-01)}']::datemultirange[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_inet)
SELECT 1480 + n, pg_temp.day(1480 + n), list[n]
FROM (SELECT ARRAY['0.0.0.0', '192.168.1.5/24', '255.255.255.255', '::', '::ffff:1.2.3.4', '2001:db8::1/64']::inet[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_cidr)
SELECT 1500 + n, pg_temp.day(1500 + n), list[n]
FROM (SELECT ARRAY['0.0.0.0/0', '10.0.0.0/8', '192.168.1.5/32', '2001:db8::/32']::cidr[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_macaddr)
SELECT 1520 + n, pg_temp.day(1520 + n), list[n]
FROM (SELECT ARRAY['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff']::macaddr[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_macaddr8)
SELECT 1540 + n, pg_temp.day(1540 + n), list[n]
FROM (SELECT ARRAY['00:00:00:00:00:00:00:00', '08:00:2b:01:02:03:04:05']::macaddr8[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_bit_8)
SELECT 1560 + n, pg_temp.day(1560 + n), list[n]
FROM (SELECT ARRAY['00000000', '10101010']::bit(8)[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_varbit)
SELECT 1580 + n, pg_temp.day(1580 + n), list[n]
FROM (SELECT ARRAY['', '1', '000000001']::varbit[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_pg_lsn)
SELECT 1600 + n, pg_temp.day(1600 + n), list[n]
FROM (SELECT ARRAY['0/0', '16/B374D848', 'FFFFFFFF/FFFFFFFF']::pg_lsn[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_tsvector)
SELECT 1620 + n, pg_temp.day(1620 + n), list[n]
FROM (SELECT ARRAY['', 'a:1A fat:2B,4C cat:5D', '''it''''s'':1 ''a b'':2']::tsvector[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_tsquery)
SELECT 1640 + n, pg_temp.day(1640 + n), list[n]
FROM (SELECT ARRAY['', 'fat & (rat | !cat)', 'super:*AB <2> ''a b''']::tsquery[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_point)
SELECT 1660 + n, pg_temp.day(1660 + n), list[n]
FROM (SELECT ARRAY['(0,-0)', '(1e-300,NaN)', '(Infinity,-Infinity)']::point[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_line)
SELECT 1680 + n, pg_temp.day(1680 + n), list[n]
FROM (SELECT ARRAY['{1,-1,0}', '{0.1,2,-3}']::line[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_lseg)
SELECT 1700 + n, pg_temp.day(1700 + n), list[n]
FROM (SELECT ARRAY['[(0,0),(1,1)]', '[(0.1,-0.2),(NaN,3)]']::lseg[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_box)
SELECT 1720 + n, pg_temp.day(1720 + n), list[n]
FROM (SELECT ARRAY['(1,1),(0,0)', '(0.1,0.2),(-0.1,-Infinity)']::box[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_path)
SELECT 1740 + n, pg_temp.day(1740 + n), list[n]
FROM (SELECT ARRAY['((0,0),(1,1),(2,0))', '[(0.1,0),(1,1)]']::path[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_polygon)
SELECT 1760 + n, pg_temp.day(1760 + n), list[n]
FROM (SELECT ARRAY['((0,0),(1,1),(2,0))']::polygon[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_circle)
SELECT 1780 + n, pg_temp.day(1780 + n), list[n]
FROM (SELECT ARRAY['<(0,0),1.1>', '<(1,2),0>']::circle[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_int2vector)
SELECT 1800 + n, pg_temp.day(1800 + n), list[n]
FROM (SELECT ARRAY['', '1 2 3']::int2vector[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_oidvector)
SELECT 1820 + n, pg_temp.day(1820 + n), list[n]
FROM (SELECT ARRAY['', '1 4294967295']::oidvector[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_pg_snapshot)
SELECT 1840 + n, pg_temp.day(1840 + n), list[n]
FROM (SELECT ARRAY['10:20:10,14,15', '1:1:']::pg_snapshot[]) AS x(list), generate_subscripts(list, 1) AS n;

INSERT INTO every_type (id, ts, c_refcursor)
SELECT 1860 + n, pg_temp.day(1860 + n), list[n]
FROM (SELECT ARRAY['a cursor']::refcursor[]) AS x(list), generate_subscripts(list, 1) AS n;

-- values that literals cannot say well: large ones, compressed and not, and every byte
INSERT INTO every_type (id, ts, c_text, c_bytea, c_jsonb, c_varbit, c_numeric) VALUES
    (5001, pg_temp.day(5001), repeat('x', 300000), decode(repeat('00ff', 100000), 'hex'),
        jsonb_build_object('k', repeat('y', 100000)), repeat('10', 5000)::varbit, ('1' || repeat('0', 1000) || '.' || repeat('9', 1000))::numeric),
    (5002, pg_temp.day(5002), (SELECT string_agg(md5(g::text), '' ORDER BY g) FROM generate_series(1, 3000) g),
        (SELECT string_agg(decode(lpad(to_hex(g % 256), 2, '0'), 'hex'), '' ORDER BY g) FROM generate_series(0, 70000) g),
        (SELECT jsonb_agg(g) FROM generate_series(1, 5000) g), ''::varbit, -0.00000000000000000001);

-- a NaN that was computed has other bits than the constant (the sign is set on x86), and is equal to it
INSERT INTO every_type (id, ts, c_float4, c_float8) VALUES
    (5005, pg_temp.day(5005), 'Infinity'::float4 - 'Infinity'::float4, 'Infinity'::float8 - 'Infinity'::float8);

-- names that SQLite takes for one, or for the rowid
INSERT INTO every_type (id, ts, "A", "a", "rowid", oid, _rowid_)
SELECT 5010 + g, pg_temp.day(5010 + g), g, -g, g + 1000, g + 2000, 'row ' || g FROM generate_series(1, 5) g;

-- arrays: all values of the column above, with a NULL element; empty; two dimensions; other lower bounds
INSERT INTO every_type (id, ts, c_bool_array)
SELECT 6000, pg_temp.day(6000), array_append(array_agg(c_bool ORDER BY id), NULL) FROM every_type WHERE c_bool IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_int2_array)
SELECT 6001, pg_temp.day(6001), array_append(array_agg(c_int2 ORDER BY id), NULL) FROM every_type WHERE c_int2 IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_int4_array)
SELECT 6002, pg_temp.day(6002), array_append(array_agg(c_int4 ORDER BY id), NULL) FROM every_type WHERE c_int4 IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_int8_array)
SELECT 6003, pg_temp.day(6003), array_append(array_agg(c_int8 ORDER BY id), NULL) FROM every_type WHERE c_int8 IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_oid_array)
SELECT 6004, pg_temp.day(6004), array_append(array_agg(c_oid ORDER BY id), NULL) FROM every_type WHERE c_oid IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_xid_array)
SELECT 6005, pg_temp.day(6005), array_append(array_agg(c_xid ORDER BY id), NULL) FROM every_type WHERE c_xid IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_xid8_array)
SELECT 6006, pg_temp.day(6006), array_append(array_agg(c_xid8 ORDER BY id), NULL) FROM every_type WHERE c_xid8 IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_cid_array)
SELECT 6007, pg_temp.day(6007), array_append(array_agg(c_cid ORDER BY id), NULL) FROM every_type WHERE c_cid IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_tid_array)
SELECT 6008, pg_temp.day(6008), array_append(array_agg(c_tid ORDER BY id), NULL) FROM every_type WHERE c_tid IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_regproc_array)
SELECT 6009, pg_temp.day(6009), array_append(array_agg(c_regproc ORDER BY id), NULL) FROM every_type WHERE c_regproc IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_regprocedure_array)
SELECT 6010, pg_temp.day(6010), array_append(array_agg(c_regprocedure ORDER BY id), NULL) FROM every_type WHERE c_regprocedure IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_regoper_array)
SELECT 6011, pg_temp.day(6011), array_append(array_agg(c_regoper ORDER BY id), NULL) FROM every_type WHERE c_regoper IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_regoperator_array)
SELECT 6012, pg_temp.day(6012), array_append(array_agg(c_regoperator ORDER BY id), NULL) FROM every_type WHERE c_regoperator IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_regclass_array)
SELECT 6013, pg_temp.day(6013), array_append(array_agg(c_regclass ORDER BY id), NULL) FROM every_type WHERE c_regclass IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_regtype_array)
SELECT 6014, pg_temp.day(6014), array_append(array_agg(c_regtype ORDER BY id), NULL) FROM every_type WHERE c_regtype IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_regrole_array)
SELECT 6015, pg_temp.day(6015), array_append(array_agg(c_regrole ORDER BY id), NULL) FROM every_type WHERE c_regrole IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_regnamespace_array)
SELECT 6016, pg_temp.day(6016), array_append(array_agg(c_regnamespace ORDER BY id), NULL) FROM every_type WHERE c_regnamespace IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_regconfig_array)
SELECT 6017, pg_temp.day(6017), array_append(array_agg(c_regconfig ORDER BY id), NULL) FROM every_type WHERE c_regconfig IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_regdictionary_array)
SELECT 6018, pg_temp.day(6018), array_append(array_agg(c_regdictionary ORDER BY id), NULL) FROM every_type WHERE c_regdictionary IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_regcollation_array)
SELECT 6019, pg_temp.day(6019), array_append(array_agg(c_regcollation ORDER BY id), NULL) FROM every_type WHERE c_regcollation IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_float4_array)
SELECT 6020, pg_temp.day(6020), array_append(array_agg(c_float4 ORDER BY id), NULL) FROM every_type WHERE c_float4 IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_float8_array)
SELECT 6021, pg_temp.day(6021), array_append(array_agg(c_float8 ORDER BY id), NULL) FROM every_type WHERE c_float8 IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_numeric_array)
SELECT 6022, pg_temp.day(6022), array_append(array_agg(c_numeric ORDER BY id), NULL) FROM every_type WHERE c_numeric IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_numeric_10_2_array)
SELECT 6023, pg_temp.day(6023), array_append(array_agg(c_numeric_10_2 ORDER BY id), NULL) FROM every_type WHERE c_numeric_10_2 IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_numeric_5_m2_array)
SELECT 6024, pg_temp.day(6024), array_append(array_agg(c_numeric_5_m2 ORDER BY id), NULL) FROM every_type WHERE c_numeric_5_m2 IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_money_array)
SELECT 6025, pg_temp.day(6025), array_append(array_agg(c_money ORDER BY id), NULL) FROM every_type WHERE c_money IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_text_array)
SELECT 6026, pg_temp.day(6026), array_append(array_agg(c_text ORDER BY id), NULL) FROM every_type WHERE c_text IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_varchar_array)
SELECT 6027, pg_temp.day(6027), array_append(array_agg(c_varchar ORDER BY id), NULL) FROM every_type WHERE c_varchar IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_varchar_5_array)
SELECT 6028, pg_temp.day(6028), array_append(array_agg(c_varchar_5 ORDER BY id), NULL) FROM every_type WHERE c_varchar_5 IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_bpchar_5_array)
SELECT 6029, pg_temp.day(6029), array_append(array_agg(c_bpchar_5 ORDER BY id), NULL) FROM every_type WHERE c_bpchar_5 IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_bpchar_array)
SELECT 6030, pg_temp.day(6030), array_append(array_agg(c_bpchar ORDER BY id), NULL) FROM every_type WHERE c_bpchar IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_name_array)
SELECT 6031, pg_temp.day(6031), array_append(array_agg(c_name ORDER BY id), NULL) FROM every_type WHERE c_name IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_char_array)
SELECT 6032, pg_temp.day(6032), array_append(array_agg(c_char ORDER BY id), NULL) FROM every_type WHERE c_char IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_bytea_array)
SELECT 6033, pg_temp.day(6033), array_append(array_agg(c_bytea ORDER BY id), NULL) FROM every_type WHERE c_bytea IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_uuid_array)
SELECT 6034, pg_temp.day(6034), array_append(array_agg(c_uuid ORDER BY id), NULL) FROM every_type WHERE c_uuid IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_date_array)
SELECT 6035, pg_temp.day(6035), array_append(array_agg(c_date ORDER BY id), NULL) FROM every_type WHERE c_date IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_time_array)
SELECT 6036, pg_temp.day(6036), array_append(array_agg(c_time ORDER BY id), NULL) FROM every_type WHERE c_time IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_time_0_array)
SELECT 6037, pg_temp.day(6037), array_append(array_agg(c_time_0 ORDER BY id), NULL) FROM every_type WHERE c_time_0 IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_timetz_array)
SELECT 6038, pg_temp.day(6038), array_append(array_agg(c_timetz ORDER BY id), NULL) FROM every_type WHERE c_timetz IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_timestamp_array)
SELECT 6039, pg_temp.day(6039), array_append(array_agg(c_timestamp ORDER BY id), NULL) FROM every_type WHERE c_timestamp IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_timestamptz_array)
SELECT 6040, pg_temp.day(6040), array_append(array_agg(c_timestamptz ORDER BY id), NULL) FROM every_type WHERE c_timestamptz IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_timestamptz_3_array)
SELECT 6041, pg_temp.day(6041), array_append(array_agg(c_timestamptz_3 ORDER BY id), NULL) FROM every_type WHERE c_timestamptz_3 IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_interval_array)
SELECT 6042, pg_temp.day(6042), array_append(array_agg(c_interval ORDER BY id), NULL) FROM every_type WHERE c_interval IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_interval_dts_array)
SELECT 6043, pg_temp.day(6043), array_append(array_agg(c_interval_dts ORDER BY id), NULL) FROM every_type WHERE c_interval_dts IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_json_array)
SELECT 6044, pg_temp.day(6044), array_append(array_agg(c_json ORDER BY id), NULL) FROM every_type WHERE c_json IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_jsonb_array)
SELECT 6045, pg_temp.day(6045), array_append(array_agg(c_jsonb ORDER BY id), NULL) FROM every_type WHERE c_jsonb IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_jsonpath_array)
SELECT 6046, pg_temp.day(6046), array_append(array_agg(c_jsonpath ORDER BY id), NULL) FROM every_type WHERE c_jsonpath IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_xml_array)
SELECT 6047, pg_temp.day(6047), array_append(array_agg(c_xml ORDER BY id), NULL) FROM every_type WHERE c_xml IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_enum_array)
SELECT 6048, pg_temp.day(6048), array_append(array_agg(c_enum ORDER BY id), NULL) FROM every_type WHERE c_enum IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_domain_int_array)
SELECT 6049, pg_temp.day(6049), array_append(array_agg(c_domain_int ORDER BY id), NULL) FROM every_type WHERE c_domain_int IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_domain_text_array)
SELECT 6050, pg_temp.day(6050), array_append(array_agg(c_domain_text ORDER BY id), NULL) FROM every_type WHERE c_domain_text IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_domain_ts_array)
SELECT 6051, pg_temp.day(6051), array_append(array_agg(c_domain_ts ORDER BY id), NULL) FROM every_type WHERE c_domain_ts IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_domain_domain_array)
SELECT 6052, pg_temp.day(6052), array_append(array_agg(c_domain_domain ORDER BY id), NULL) FROM every_type WHERE c_domain_domain IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_domain_enum_array)
SELECT 6053, pg_temp.day(6053), array_append(array_agg(c_domain_enum ORDER BY id), NULL) FROM every_type WHERE c_domain_enum IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_composite_array)
SELECT 6054, pg_temp.day(6054), array_append(array_agg(c_composite ORDER BY id), NULL) FROM every_type WHERE c_composite IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_nested_array)
SELECT 6055, pg_temp.day(6055), array_append(array_agg(c_nested ORDER BY id), NULL) FROM every_type WHERE c_nested IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_int4range_array)
SELECT 6056, pg_temp.day(6056), array_append(array_agg(c_int4range ORDER BY id), NULL) FROM every_type WHERE c_int4range IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_int8range_array)
SELECT 6057, pg_temp.day(6057), array_append(array_agg(c_int8range ORDER BY id), NULL) FROM every_type WHERE c_int8range IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_numrange_array)
SELECT 6058, pg_temp.day(6058), array_append(array_agg(c_numrange ORDER BY id), NULL) FROM every_type WHERE c_numrange IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_tsrange_array)
SELECT 6059, pg_temp.day(6059), array_append(array_agg(c_tsrange ORDER BY id), NULL) FROM every_type WHERE c_tsrange IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_tstzrange_array)
SELECT 6060, pg_temp.day(6060), array_append(array_agg(c_tstzrange ORDER BY id), NULL) FROM every_type WHERE c_tstzrange IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_daterange_array)
SELECT 6061, pg_temp.day(6061), array_append(array_agg(c_daterange ORDER BY id), NULL) FROM every_type WHERE c_daterange IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_textrange_array)
SELECT 6062, pg_temp.day(6062), array_append(array_agg(c_textrange ORDER BY id), NULL) FROM every_type WHERE c_textrange IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_int4multirange_array)
SELECT 6063, pg_temp.day(6063), array_append(array_agg(c_int4multirange ORDER BY id), NULL) FROM every_type WHERE c_int4multirange IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_nummultirange_array)
SELECT 6064, pg_temp.day(6064), array_append(array_agg(c_nummultirange ORDER BY id), NULL) FROM every_type WHERE c_nummultirange IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_tstzmultirange_array)
SELECT 6065, pg_temp.day(6065), array_append(array_agg(c_tstzmultirange ORDER BY id), NULL) FROM every_type WHERE c_tstzmultirange IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_datemultirange_array)
SELECT 6066, pg_temp.day(6066), array_append(array_agg(c_datemultirange ORDER BY id), NULL) FROM every_type WHERE c_datemultirange IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_inet_array)
SELECT 6067, pg_temp.day(6067), array_append(array_agg(c_inet ORDER BY id), NULL) FROM every_type WHERE c_inet IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_cidr_array)
SELECT 6068, pg_temp.day(6068), array_append(array_agg(c_cidr ORDER BY id), NULL) FROM every_type WHERE c_cidr IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_macaddr_array)
SELECT 6069, pg_temp.day(6069), array_append(array_agg(c_macaddr ORDER BY id), NULL) FROM every_type WHERE c_macaddr IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_macaddr8_array)
SELECT 6070, pg_temp.day(6070), array_append(array_agg(c_macaddr8 ORDER BY id), NULL) FROM every_type WHERE c_macaddr8 IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_bit_8_array)
SELECT 6071, pg_temp.day(6071), array_append(array_agg(c_bit_8 ORDER BY id), NULL) FROM every_type WHERE c_bit_8 IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_varbit_array)
SELECT 6072, pg_temp.day(6072), array_append(array_agg(c_varbit ORDER BY id), NULL) FROM every_type WHERE c_varbit IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_pg_lsn_array)
SELECT 6073, pg_temp.day(6073), array_append(array_agg(c_pg_lsn ORDER BY id), NULL) FROM every_type WHERE c_pg_lsn IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_tsvector_array)
SELECT 6074, pg_temp.day(6074), array_append(array_agg(c_tsvector ORDER BY id), NULL) FROM every_type WHERE c_tsvector IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_tsquery_array)
SELECT 6075, pg_temp.day(6075), array_append(array_agg(c_tsquery ORDER BY id), NULL) FROM every_type WHERE c_tsquery IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_point_array)
SELECT 6076, pg_temp.day(6076), array_append(array_agg(c_point ORDER BY id), NULL) FROM every_type WHERE c_point IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_line_array)
SELECT 6077, pg_temp.day(6077), array_append(array_agg(c_line ORDER BY id), NULL) FROM every_type WHERE c_line IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_lseg_array)
SELECT 6078, pg_temp.day(6078), array_append(array_agg(c_lseg ORDER BY id), NULL) FROM every_type WHERE c_lseg IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_box_array)
SELECT 6079, pg_temp.day(6079), array_append(array_agg(c_box ORDER BY id), NULL) FROM every_type WHERE c_box IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_path_array)
SELECT 6080, pg_temp.day(6080), array_append(array_agg(c_path ORDER BY id), NULL) FROM every_type WHERE c_path IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_polygon_array)
SELECT 6081, pg_temp.day(6081), array_append(array_agg(c_polygon ORDER BY id), NULL) FROM every_type WHERE c_polygon IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_circle_array)
SELECT 6082, pg_temp.day(6082), array_append(array_agg(c_circle ORDER BY id), NULL) FROM every_type WHERE c_circle IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_pg_snapshot_array)
SELECT 6083, pg_temp.day(6083), array_append(array_agg(c_pg_snapshot ORDER BY id), NULL) FROM every_type WHERE c_pg_snapshot IS NOT NULL AND id < 5000;
INSERT INTO every_type (id, ts, c_refcursor_array)
SELECT 6084, pg_temp.day(6084), array_append(array_agg(c_refcursor ORDER BY id), NULL) FROM every_type WHERE c_refcursor IS NOT NULL AND id < 5000;

-- every column in one row, in each month
INSERT INTO every_type (
    id, ts, c_bool, c_int2, c_int4, c_int8, c_oid, c_xid, c_xid8, c_cid, c_tid, c_regproc, c_regprocedure,
    c_regoper, c_regoperator, c_regclass, c_regtype, c_regrole, c_regnamespace, c_regconfig, c_regdictionary,
    c_regcollation, c_float4, c_float8, c_numeric, c_numeric_10_2, c_numeric_5_m2, c_money, c_text, c_varchar,
    c_varchar_5, c_bpchar_5, c_bpchar, c_name, c_char, c_text_c, c_bytea, c_uuid, c_date, c_time, c_time_0,
    c_timetz, c_timestamp, c_timestamptz, c_timestamptz_3, c_interval, c_interval_dts, c_json, c_jsonb,
    c_jsonpath, c_xml, c_enum, c_domain_int, c_domain_text, c_domain_ts, c_domain_domain, c_domain_array,
    c_domain_enum, c_composite, c_nested, c_int4range, c_int8range, c_numrange, c_tsrange, c_tstzrange,
    c_daterange, c_textrange, c_int4multirange, c_nummultirange, c_tstzmultirange, c_datemultirange, c_inet,
    c_cidr, c_macaddr, c_macaddr8, c_bit_8, c_varbit, c_pg_lsn, c_tsvector, c_tsquery, c_point, c_line,
    c_lseg, c_box, c_path, c_polygon, c_circle, c_int2vector, c_oidvector, c_pg_snapshot, c_refcursor,
    c_bool_array, c_int2_array, c_int4_array, c_int8_array, c_oid_array, c_xid_array, c_xid8_array,
    c_cid_array, c_tid_array, c_regproc_array, c_regprocedure_array, c_regoper_array, c_regoperator_array,
    c_regclass_array, c_regtype_array, c_regrole_array, c_regnamespace_array, c_regconfig_array,
    c_regdictionary_array, c_regcollation_array, c_float4_array, c_float8_array, c_numeric_array,
    c_numeric_10_2_array, c_numeric_5_m2_array, c_money_array, c_text_array, c_varchar_array,
    c_varchar_5_array, c_bpchar_5_array, c_bpchar_array, c_name_array, c_char_array, c_bytea_array,
    c_uuid_array, c_date_array, c_time_array, c_time_0_array, c_timetz_array, c_timestamp_array,
    c_timestamptz_array, c_timestamptz_3_array, c_interval_array, c_interval_dts_array, c_json_array,
    c_jsonb_array, c_jsonpath_array, c_xml_array, c_enum_array, c_domain_int_array, c_domain_text_array,
    c_domain_ts_array, c_domain_domain_array, c_domain_enum_array, c_composite_array, c_nested_array,
    c_int4range_array, c_int8range_array, c_numrange_array, c_tsrange_array, c_tstzrange_array,
    c_daterange_array, c_textrange_array, c_int4multirange_array, c_nummultirange_array,
    c_tstzmultirange_array, c_datemultirange_array, c_inet_array, c_cidr_array, c_macaddr_array,
    c_macaddr8_array, c_bit_8_array, c_varbit_array, c_pg_lsn_array, c_tsvector_array, c_tsquery_array,
    c_point_array, c_line_array, c_lseg_array, c_box_array, c_path_array, c_polygon_array, c_circle_array,
    c_pg_snapshot_array, c_refcursor_array
)
SELECT 7000 + m, make_timestamptz(2025, 1 + m % 3, 10 + m, 12, 0, 0.5, 'UTC'),
    (SELECT c_bool FROM every_type WHERE c_bool IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_bool) FROM every_type WHERE id < 5000)),
    (SELECT c_int2 FROM every_type WHERE c_int2 IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_int2) FROM every_type WHERE id < 5000)),
    (SELECT c_int4 FROM every_type WHERE c_int4 IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_int4) FROM every_type WHERE id < 5000)),
    (SELECT c_int8 FROM every_type WHERE c_int8 IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_int8) FROM every_type WHERE id < 5000)),
    (SELECT c_oid FROM every_type WHERE c_oid IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_oid) FROM every_type WHERE id < 5000)),
    (SELECT c_xid FROM every_type WHERE c_xid IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_xid) FROM every_type WHERE id < 5000)),
    (SELECT c_xid8 FROM every_type WHERE c_xid8 IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_xid8) FROM every_type WHERE id < 5000)),
    (SELECT c_cid FROM every_type WHERE c_cid IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_cid) FROM every_type WHERE id < 5000)),
    (SELECT c_tid FROM every_type WHERE c_tid IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_tid) FROM every_type WHERE id < 5000)),
    (SELECT c_regproc FROM every_type WHERE c_regproc IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_regproc) FROM every_type WHERE id < 5000)),
    (SELECT c_regprocedure FROM every_type WHERE c_regprocedure IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_regprocedure) FROM every_type WHERE id < 5000)),
    (SELECT c_regoper FROM every_type WHERE c_regoper IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_regoper) FROM every_type WHERE id < 5000)),
    (SELECT c_regoperator FROM every_type WHERE c_regoperator IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_regoperator) FROM every_type WHERE id < 5000)),
    (SELECT c_regclass FROM every_type WHERE c_regclass IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_regclass) FROM every_type WHERE id < 5000)),
    (SELECT c_regtype FROM every_type WHERE c_regtype IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_regtype) FROM every_type WHERE id < 5000)),
    (SELECT c_regrole FROM every_type WHERE c_regrole IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_regrole) FROM every_type WHERE id < 5000)),
    (SELECT c_regnamespace FROM every_type WHERE c_regnamespace IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_regnamespace) FROM every_type WHERE id < 5000)),
    (SELECT c_regconfig FROM every_type WHERE c_regconfig IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_regconfig) FROM every_type WHERE id < 5000)),
    (SELECT c_regdictionary FROM every_type WHERE c_regdictionary IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_regdictionary) FROM every_type WHERE id < 5000)),
    (SELECT c_regcollation FROM every_type WHERE c_regcollation IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_regcollation) FROM every_type WHERE id < 5000)),
    (SELECT c_float4 FROM every_type WHERE c_float4 IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_float4) FROM every_type WHERE id < 5000)),
    (SELECT c_float8 FROM every_type WHERE c_float8 IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_float8) FROM every_type WHERE id < 5000)),
    (SELECT c_numeric FROM every_type WHERE c_numeric IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_numeric) FROM every_type WHERE id < 5000)),
    (SELECT c_numeric_10_2 FROM every_type WHERE c_numeric_10_2 IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_numeric_10_2) FROM every_type WHERE id < 5000)),
    (SELECT c_numeric_5_m2 FROM every_type WHERE c_numeric_5_m2 IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_numeric_5_m2) FROM every_type WHERE id < 5000)),
    (SELECT c_money FROM every_type WHERE c_money IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_money) FROM every_type WHERE id < 5000)),
    (SELECT c_text FROM every_type WHERE c_text IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_text) FROM every_type WHERE id < 5000)),
    (SELECT c_varchar FROM every_type WHERE c_varchar IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_varchar) FROM every_type WHERE id < 5000)),
    (SELECT c_varchar_5 FROM every_type WHERE c_varchar_5 IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_varchar_5) FROM every_type WHERE id < 5000)),
    (SELECT c_bpchar_5 FROM every_type WHERE c_bpchar_5 IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_bpchar_5) FROM every_type WHERE id < 5000)),
    (SELECT c_bpchar FROM every_type WHERE c_bpchar IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_bpchar) FROM every_type WHERE id < 5000)),
    (SELECT c_name FROM every_type WHERE c_name IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_name) FROM every_type WHERE id < 5000)),
    (SELECT c_char FROM every_type WHERE c_char IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_char) FROM every_type WHERE id < 5000)),
    (SELECT c_text_c FROM every_type WHERE c_text_c IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_text_c) FROM every_type WHERE id < 5000)),
    (SELECT c_bytea FROM every_type WHERE c_bytea IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_bytea) FROM every_type WHERE id < 5000)),
    (SELECT c_uuid FROM every_type WHERE c_uuid IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_uuid) FROM every_type WHERE id < 5000)),
    (SELECT c_date FROM every_type WHERE c_date IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_date) FROM every_type WHERE id < 5000)),
    (SELECT c_time FROM every_type WHERE c_time IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_time) FROM every_type WHERE id < 5000)),
    (SELECT c_time_0 FROM every_type WHERE c_time_0 IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_time_0) FROM every_type WHERE id < 5000)),
    (SELECT c_timetz FROM every_type WHERE c_timetz IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_timetz) FROM every_type WHERE id < 5000)),
    (SELECT c_timestamp FROM every_type WHERE c_timestamp IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_timestamp) FROM every_type WHERE id < 5000)),
    (SELECT c_timestamptz FROM every_type WHERE c_timestamptz IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_timestamptz) FROM every_type WHERE id < 5000)),
    (SELECT c_timestamptz_3 FROM every_type WHERE c_timestamptz_3 IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_timestamptz_3) FROM every_type WHERE id < 5000)),
    (SELECT c_interval FROM every_type WHERE c_interval IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_interval) FROM every_type WHERE id < 5000)),
    (SELECT c_interval_dts FROM every_type WHERE c_interval_dts IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_interval_dts) FROM every_type WHERE id < 5000)),
    (SELECT c_json FROM every_type WHERE c_json IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_json) FROM every_type WHERE id < 5000)),
    (SELECT c_jsonb FROM every_type WHERE c_jsonb IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_jsonb) FROM every_type WHERE id < 5000)),
    (SELECT c_jsonpath FROM every_type WHERE c_jsonpath IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_jsonpath) FROM every_type WHERE id < 5000)),
    (SELECT c_xml FROM every_type WHERE c_xml IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_xml) FROM every_type WHERE id < 5000)),
    (SELECT c_enum FROM every_type WHERE c_enum IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_enum) FROM every_type WHERE id < 5000)),
    (SELECT c_domain_int FROM every_type WHERE c_domain_int IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_domain_int) FROM every_type WHERE id < 5000)),
    (SELECT c_domain_text FROM every_type WHERE c_domain_text IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_domain_text) FROM every_type WHERE id < 5000)),
    (SELECT c_domain_ts FROM every_type WHERE c_domain_ts IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_domain_ts) FROM every_type WHERE id < 5000)),
    (SELECT c_domain_domain FROM every_type WHERE c_domain_domain IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_domain_domain) FROM every_type WHERE id < 5000)),
    (SELECT c_domain_array FROM every_type WHERE c_domain_array IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_domain_array) FROM every_type WHERE id < 5000)),
    (SELECT c_domain_enum FROM every_type WHERE c_domain_enum IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_domain_enum) FROM every_type WHERE id < 5000)),
    (SELECT c_composite FROM every_type WHERE c_composite IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_composite) FROM every_type WHERE id < 5000)),
    (SELECT c_nested FROM every_type WHERE c_nested IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_nested) FROM every_type WHERE id < 5000)),
    (SELECT c_int4range FROM every_type WHERE c_int4range IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_int4range) FROM every_type WHERE id < 5000)),
    (SELECT c_int8range FROM every_type WHERE c_int8range IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_int8range) FROM every_type WHERE id < 5000)),
    (SELECT c_numrange FROM every_type WHERE c_numrange IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_numrange) FROM every_type WHERE id < 5000)),
    (SELECT c_tsrange FROM every_type WHERE c_tsrange IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_tsrange) FROM every_type WHERE id < 5000)),
    (SELECT c_tstzrange FROM every_type WHERE c_tstzrange IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_tstzrange) FROM every_type WHERE id < 5000)),
    (SELECT c_daterange FROM every_type WHERE c_daterange IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_daterange) FROM every_type WHERE id < 5000)),
    (SELECT c_textrange FROM every_type WHERE c_textrange IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_textrange) FROM every_type WHERE id < 5000)),
    (SELECT c_int4multirange FROM every_type WHERE c_int4multirange IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_int4multirange) FROM every_type WHERE id < 5000)),
    (SELECT c_nummultirange FROM every_type WHERE c_nummultirange IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_nummultirange) FROM every_type WHERE id < 5000)),
    (SELECT c_tstzmultirange FROM every_type WHERE c_tstzmultirange IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_tstzmultirange) FROM every_type WHERE id < 5000)),
    (SELECT c_datemultirange FROM every_type WHERE c_datemultirange IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_datemultirange) FROM every_type WHERE id < 5000)),
    (SELECT c_inet FROM every_type WHERE c_inet IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_inet) FROM every_type WHERE id < 5000)),
    (SELECT c_cidr FROM every_type WHERE c_cidr IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_cidr) FROM every_type WHERE id < 5000)),
    (SELECT c_macaddr FROM every_type WHERE c_macaddr IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_macaddr) FROM every_type WHERE id < 5000)),
    (SELECT c_macaddr8 FROM every_type WHERE c_macaddr8 IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_macaddr8) FROM every_type WHERE id < 5000)),
    (SELECT c_bit_8 FROM every_type WHERE c_bit_8 IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_bit_8) FROM every_type WHERE id < 5000)),
    (SELECT c_varbit FROM every_type WHERE c_varbit IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_varbit) FROM every_type WHERE id < 5000)),
    (SELECT c_pg_lsn FROM every_type WHERE c_pg_lsn IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_pg_lsn) FROM every_type WHERE id < 5000)),
    (SELECT c_tsvector FROM every_type WHERE c_tsvector IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_tsvector) FROM every_type WHERE id < 5000)),
    (SELECT c_tsquery FROM every_type WHERE c_tsquery IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_tsquery) FROM every_type WHERE id < 5000)),
    (SELECT c_point FROM every_type WHERE c_point IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_point) FROM every_type WHERE id < 5000)),
    (SELECT c_line FROM every_type WHERE c_line IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_line) FROM every_type WHERE id < 5000)),
    (SELECT c_lseg FROM every_type WHERE c_lseg IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_lseg) FROM every_type WHERE id < 5000)),
    (SELECT c_box FROM every_type WHERE c_box IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_box) FROM every_type WHERE id < 5000)),
    (SELECT c_path FROM every_type WHERE c_path IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_path) FROM every_type WHERE id < 5000)),
    (SELECT c_polygon FROM every_type WHERE c_polygon IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_polygon) FROM every_type WHERE id < 5000)),
    (SELECT c_circle FROM every_type WHERE c_circle IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_circle) FROM every_type WHERE id < 5000)),
    (SELECT c_int2vector FROM every_type WHERE c_int2vector IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_int2vector) FROM every_type WHERE id < 5000)),
    (SELECT c_oidvector FROM every_type WHERE c_oidvector IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_oidvector) FROM every_type WHERE id < 5000)),
    (SELECT c_pg_snapshot FROM every_type WHERE c_pg_snapshot IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_pg_snapshot) FROM every_type WHERE id < 5000)),
    (SELECT c_refcursor FROM every_type WHERE c_refcursor IS NOT NULL AND id < 5000 ORDER BY id LIMIT 1 OFFSET m % (SELECT count(c_refcursor) FROM every_type WHERE id < 5000)),
    (SELECT c_bool_array FROM every_type WHERE c_bool_array IS NOT NULL AND id < 7000),
    (SELECT c_int2_array FROM every_type WHERE c_int2_array IS NOT NULL AND id < 7000),
    (SELECT c_int4_array FROM every_type WHERE c_int4_array IS NOT NULL AND id < 7000),
    (SELECT c_int8_array FROM every_type WHERE c_int8_array IS NOT NULL AND id < 7000),
    (SELECT c_oid_array FROM every_type WHERE c_oid_array IS NOT NULL AND id < 7000),
    (SELECT c_xid_array FROM every_type WHERE c_xid_array IS NOT NULL AND id < 7000),
    (SELECT c_xid8_array FROM every_type WHERE c_xid8_array IS NOT NULL AND id < 7000),
    (SELECT c_cid_array FROM every_type WHERE c_cid_array IS NOT NULL AND id < 7000),
    (SELECT c_tid_array FROM every_type WHERE c_tid_array IS NOT NULL AND id < 7000),
    (SELECT c_regproc_array FROM every_type WHERE c_regproc_array IS NOT NULL AND id < 7000),
    (SELECT c_regprocedure_array FROM every_type WHERE c_regprocedure_array IS NOT NULL AND id < 7000),
    (SELECT c_regoper_array FROM every_type WHERE c_regoper_array IS NOT NULL AND id < 7000),
    (SELECT c_regoperator_array FROM every_type WHERE c_regoperator_array IS NOT NULL AND id < 7000),
    (SELECT c_regclass_array FROM every_type WHERE c_regclass_array IS NOT NULL AND id < 7000),
    (SELECT c_regtype_array FROM every_type WHERE c_regtype_array IS NOT NULL AND id < 7000),
    (SELECT c_regrole_array FROM every_type WHERE c_regrole_array IS NOT NULL AND id < 7000),
    (SELECT c_regnamespace_array FROM every_type WHERE c_regnamespace_array IS NOT NULL AND id < 7000),
    (SELECT c_regconfig_array FROM every_type WHERE c_regconfig_array IS NOT NULL AND id < 7000),
    (SELECT c_regdictionary_array FROM every_type WHERE c_regdictionary_array IS NOT NULL AND id < 7000),
    (SELECT c_regcollation_array FROM every_type WHERE c_regcollation_array IS NOT NULL AND id < 7000),
    (SELECT c_float4_array FROM every_type WHERE c_float4_array IS NOT NULL AND id < 7000),
    (SELECT c_float8_array FROM every_type WHERE c_float8_array IS NOT NULL AND id < 7000),
    (SELECT c_numeric_array FROM every_type WHERE c_numeric_array IS NOT NULL AND id < 7000),
    (SELECT c_numeric_10_2_array FROM every_type WHERE c_numeric_10_2_array IS NOT NULL AND id < 7000),
    (SELECT c_numeric_5_m2_array FROM every_type WHERE c_numeric_5_m2_array IS NOT NULL AND id < 7000),
    (SELECT c_money_array FROM every_type WHERE c_money_array IS NOT NULL AND id < 7000),
    (SELECT c_text_array FROM every_type WHERE c_text_array IS NOT NULL AND id < 7000),
    (SELECT c_varchar_array FROM every_type WHERE c_varchar_array IS NOT NULL AND id < 7000),
    (SELECT c_varchar_5_array FROM every_type WHERE c_varchar_5_array IS NOT NULL AND id < 7000),
    (SELECT c_bpchar_5_array FROM every_type WHERE c_bpchar_5_array IS NOT NULL AND id < 7000),
    (SELECT c_bpchar_array FROM every_type WHERE c_bpchar_array IS NOT NULL AND id < 7000),
    (SELECT c_name_array FROM every_type WHERE c_name_array IS NOT NULL AND id < 7000),
    (SELECT c_char_array FROM every_type WHERE c_char_array IS NOT NULL AND id < 7000),
    (SELECT c_bytea_array FROM every_type WHERE c_bytea_array IS NOT NULL AND id < 7000),
    (SELECT c_uuid_array FROM every_type WHERE c_uuid_array IS NOT NULL AND id < 7000),
    (SELECT c_date_array FROM every_type WHERE c_date_array IS NOT NULL AND id < 7000),
    (SELECT c_time_array FROM every_type WHERE c_time_array IS NOT NULL AND id < 7000),
    (SELECT c_time_0_array FROM every_type WHERE c_time_0_array IS NOT NULL AND id < 7000),
    (SELECT c_timetz_array FROM every_type WHERE c_timetz_array IS NOT NULL AND id < 7000),
    (SELECT c_timestamp_array FROM every_type WHERE c_timestamp_array IS NOT NULL AND id < 7000),
    (SELECT c_timestamptz_array FROM every_type WHERE c_timestamptz_array IS NOT NULL AND id < 7000),
    (SELECT c_timestamptz_3_array FROM every_type WHERE c_timestamptz_3_array IS NOT NULL AND id < 7000),
    (SELECT c_interval_array FROM every_type WHERE c_interval_array IS NOT NULL AND id < 7000),
    (SELECT c_interval_dts_array FROM every_type WHERE c_interval_dts_array IS NOT NULL AND id < 7000),
    (SELECT c_json_array FROM every_type WHERE c_json_array IS NOT NULL AND id < 7000),
    (SELECT c_jsonb_array FROM every_type WHERE c_jsonb_array IS NOT NULL AND id < 7000),
    (SELECT c_jsonpath_array FROM every_type WHERE c_jsonpath_array IS NOT NULL AND id < 7000),
    (SELECT c_xml_array FROM every_type WHERE c_xml_array IS NOT NULL AND id < 7000),
    (SELECT c_enum_array FROM every_type WHERE c_enum_array IS NOT NULL AND id < 7000),
    (SELECT c_domain_int_array FROM every_type WHERE c_domain_int_array IS NOT NULL AND id < 7000),
    (SELECT c_domain_text_array FROM every_type WHERE c_domain_text_array IS NOT NULL AND id < 7000),
    (SELECT c_domain_ts_array FROM every_type WHERE c_domain_ts_array IS NOT NULL AND id < 7000),
    (SELECT c_domain_domain_array FROM every_type WHERE c_domain_domain_array IS NOT NULL AND id < 7000),
    (SELECT c_domain_enum_array FROM every_type WHERE c_domain_enum_array IS NOT NULL AND id < 7000),
    (SELECT c_composite_array FROM every_type WHERE c_composite_array IS NOT NULL AND id < 7000),
    (SELECT c_nested_array FROM every_type WHERE c_nested_array IS NOT NULL AND id < 7000),
    (SELECT c_int4range_array FROM every_type WHERE c_int4range_array IS NOT NULL AND id < 7000),
    (SELECT c_int8range_array FROM every_type WHERE c_int8range_array IS NOT NULL AND id < 7000),
    (SELECT c_numrange_array FROM every_type WHERE c_numrange_array IS NOT NULL AND id < 7000),
    (SELECT c_tsrange_array FROM every_type WHERE c_tsrange_array IS NOT NULL AND id < 7000),
    (SELECT c_tstzrange_array FROM every_type WHERE c_tstzrange_array IS NOT NULL AND id < 7000),
    (SELECT c_daterange_array FROM every_type WHERE c_daterange_array IS NOT NULL AND id < 7000),
    (SELECT c_textrange_array FROM every_type WHERE c_textrange_array IS NOT NULL AND id < 7000),
    (SELECT c_int4multirange_array FROM every_type WHERE c_int4multirange_array IS NOT NULL AND id < 7000),
    (SELECT c_nummultirange_array FROM every_type WHERE c_nummultirange_array IS NOT NULL AND id < 7000),
    (SELECT c_tstzmultirange_array FROM every_type WHERE c_tstzmultirange_array IS NOT NULL AND id < 7000),
    (SELECT c_datemultirange_array FROM every_type WHERE c_datemultirange_array IS NOT NULL AND id < 7000),
    (SELECT c_inet_array FROM every_type WHERE c_inet_array IS NOT NULL AND id < 7000),
    (SELECT c_cidr_array FROM every_type WHERE c_cidr_array IS NOT NULL AND id < 7000),
    (SELECT c_macaddr_array FROM every_type WHERE c_macaddr_array IS NOT NULL AND id < 7000),
    (SELECT c_macaddr8_array FROM every_type WHERE c_macaddr8_array IS NOT NULL AND id < 7000),
    (SELECT c_bit_8_array FROM every_type WHERE c_bit_8_array IS NOT NULL AND id < 7000),
    (SELECT c_varbit_array FROM every_type WHERE c_varbit_array IS NOT NULL AND id < 7000),
    (SELECT c_pg_lsn_array FROM every_type WHERE c_pg_lsn_array IS NOT NULL AND id < 7000),
    (SELECT c_tsvector_array FROM every_type WHERE c_tsvector_array IS NOT NULL AND id < 7000),
    (SELECT c_tsquery_array FROM every_type WHERE c_tsquery_array IS NOT NULL AND id < 7000),
    (SELECT c_point_array FROM every_type WHERE c_point_array IS NOT NULL AND id < 7000),
    (SELECT c_line_array FROM every_type WHERE c_line_array IS NOT NULL AND id < 7000),
    (SELECT c_lseg_array FROM every_type WHERE c_lseg_array IS NOT NULL AND id < 7000),
    (SELECT c_box_array FROM every_type WHERE c_box_array IS NOT NULL AND id < 7000),
    (SELECT c_path_array FROM every_type WHERE c_path_array IS NOT NULL AND id < 7000),
    (SELECT c_polygon_array FROM every_type WHERE c_polygon_array IS NOT NULL AND id < 7000),
    (SELECT c_circle_array FROM every_type WHERE c_circle_array IS NOT NULL AND id < 7000),
    (SELECT c_pg_snapshot_array FROM every_type WHERE c_pg_snapshot_array IS NOT NULL AND id < 7000),
    (SELECT c_refcursor_array FROM every_type WHERE c_refcursor_array IS NOT NULL AND id < 7000)
FROM generate_series(0, 5) m;

INSERT INTO every_type (id, ts, c_int4_array, c_text_array, c_float8_array, c_timestamptz_array, c_composite_array) VALUES
    (8001, pg_temp.day(8001), '{}', '{}', '{}', '{}', '{}'),
    (8002, pg_temp.day(8002), '{{1,2},{3,NULL}}', '{{a,"b \"c\""},{"NULL",NULL}}', '{{NaN,-0},{Infinity,0.1}}',
        '{{infinity,-infinity}}', '{{"(1,a)"},{"(,\"\")"}}'),
    (8003, pg_temp.day(8003), '[0:1]={1,2}', '[-3:-2]={a,b}', '[2:2][5:6]={{1,2}}', '[7:7]={"2025-01-01 00:00:00+00"}', '[0:0]={"(1,a)"}');
