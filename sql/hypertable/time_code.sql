-- Time functions, each with its comment. The Rust side is src/hypertable/api/time*.rs and src/pg.

-- time_bucket: the start of the bucket that holds ts, counted from Monday 2000-01-03, or 2000-01-01 for months.

CREATE FUNCTION strata.time_bucket(bucket_width interval, ts timestamp)
RETURNS timestamp LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_wrapper';
COMMENT ON FUNCTION strata.time_bucket(interval, timestamp) IS 'start of the bucket that holds ts';

CREATE FUNCTION strata.time_bucket(bucket_width interval, ts timestamptz)
RETURNS timestamptz LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_wrapper';
COMMENT ON FUNCTION strata.time_bucket(interval, timestamptz) IS 'start of the bucket that holds ts';

CREATE FUNCTION strata.time_bucket(bucket_width interval, ts date)
RETURNS date LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_date_wrapper';
COMMENT ON FUNCTION strata.time_bucket(interval, date) IS 'start of the bucket that holds ts';

CREATE FUNCTION strata.time_bucket(bucket_width interval, ts uuid)
RETURNS timestamptz LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_uuid_wrapper';
COMMENT ON FUNCTION strata.time_bucket(interval, uuid) IS 'start of the bucket that holds ts';

CREATE FUNCTION strata.time_bucket(bucket_width interval, ts timestamp, origin timestamp)
RETURNS timestamp LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_origin_wrapper';
COMMENT ON FUNCTION strata.time_bucket(interval, timestamp, timestamp) IS 'start of the bucket that holds ts; one bucket starts at origin';

CREATE FUNCTION strata.time_bucket(bucket_width interval, ts timestamptz, origin timestamptz)
RETURNS timestamptz LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_origin_wrapper';
COMMENT ON FUNCTION strata.time_bucket(interval, timestamptz, timestamptz) IS 'start of the bucket that holds ts; one bucket starts at origin';

CREATE FUNCTION strata.time_bucket(bucket_width interval, ts date, origin date)
RETURNS date LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_date_origin_wrapper';
COMMENT ON FUNCTION strata.time_bucket(interval, date, date) IS 'start of the bucket that holds ts; one bucket starts at origin';

CREATE FUNCTION strata.time_bucket(bucket_width interval, ts uuid, origin timestamptz)
RETURNS timestamptz LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_uuid_origin_wrapper';
COMMENT ON FUNCTION strata.time_bucket(interval, uuid, timestamptz) IS 'start of the bucket that holds ts; one bucket starts at origin';

CREATE FUNCTION strata.time_bucket(bucket_width interval, ts timestamp, "offset" interval)
RETURNS timestamp LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_offset_wrapper';
COMMENT ON FUNCTION strata.time_bucket(interval, timestamp, interval) IS 'start of the bucket that holds ts; all buckets are moved by offset';

CREATE FUNCTION strata.time_bucket(bucket_width interval, ts timestamptz, "offset" interval)
RETURNS timestamptz LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_offset_wrapper';
COMMENT ON FUNCTION strata.time_bucket(interval, timestamptz, interval) IS 'start of the bucket that holds ts; all buckets are moved by offset';

CREATE FUNCTION strata.time_bucket(bucket_width interval, ts date, "offset" interval)
RETURNS date LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_date_offset_wrapper';
COMMENT ON FUNCTION strata.time_bucket(interval, date, interval) IS 'start of the bucket that holds ts; all buckets are moved by offset';

CREATE FUNCTION strata.time_bucket(bucket_width interval, ts uuid, "offset" interval)
RETURNS timestamptz LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_uuid_offset_wrapper';
COMMENT ON FUNCTION strata.time_bucket(interval, uuid, interval) IS 'start of the bucket that holds ts; all buckets are moved by offset';

CREATE FUNCTION strata.time_bucket(bucket_width interval, ts timestamptz, timezone text, origin timestamptz DEFAULT NULL, "offset" interval DEFAULT NULL)
RETURNS timestamptz LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_zone_wrapper';
COMMENT ON FUNCTION strata.time_bucket(interval, timestamptz, text, timestamptz, interval) IS 'start of the bucket that holds ts, in the local time of a time zone';

CREATE FUNCTION strata.time_bucket(bucket_width interval, ts uuid, timezone text, origin timestamptz DEFAULT NULL, "offset" interval DEFAULT NULL)
RETURNS timestamptz LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_uuid_zone_wrapper';
COMMENT ON FUNCTION strata.time_bucket(interval, uuid, text, timestamptz, interval) IS 'start of the bucket that holds ts, in the local time of a time zone';

CREATE FUNCTION strata.time_bucket(bucket_width smallint, ts smallint)
RETURNS smallint LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_int2_wrapper';
COMMENT ON FUNCTION strata.time_bucket(smallint, smallint) IS 'start of the bucket that holds ts, a multiple of bucket_width';

CREATE FUNCTION strata.time_bucket(bucket_width integer, ts integer)
RETURNS integer LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_int4_wrapper';
COMMENT ON FUNCTION strata.time_bucket(integer, integer) IS 'start of the bucket that holds ts, a multiple of bucket_width';

CREATE FUNCTION strata.time_bucket(bucket_width bigint, ts bigint)
RETURNS bigint LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_int8_wrapper';
COMMENT ON FUNCTION strata.time_bucket(bigint, bigint) IS 'start of the bucket that holds ts, a multiple of bucket_width';

CREATE FUNCTION strata.time_bucket(bucket_width smallint, ts smallint, "offset" smallint)
RETURNS smallint LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_int2_offset_wrapper';
COMMENT ON FUNCTION strata.time_bucket(smallint, smallint, smallint) IS 'start of the bucket that holds ts; all buckets are moved by offset';

CREATE FUNCTION strata.time_bucket(bucket_width integer, ts integer, "offset" integer)
RETURNS integer LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_int4_offset_wrapper';
COMMENT ON FUNCTION strata.time_bucket(integer, integer, integer) IS 'start of the bucket that holds ts; all buckets are moved by offset';

CREATE FUNCTION strata.time_bucket(bucket_width bigint, ts bigint, "offset" bigint)
RETURNS bigint LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_bucket_int8_offset_wrapper';
COMMENT ON FUNCTION strata.time_bucket(bigint, bigint, bigint) IS 'start of the bucket that holds ts; all buckets are moved by offset';

-- Version 7 UUIDs (RFC 9562)

CREATE FUNCTION strata.generate_uuidv7()
RETURNS uuid LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'generate_uuidv7_wrapper';
COMMENT ON FUNCTION strata.generate_uuidv7() IS 'a new version 7 UUID, later than all that this session made';

CREATE FUNCTION strata.to_uuidv7(ts timestamptz)
RETURNS uuid LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'to_uuidv7_wrapper';
COMMENT ON FUNCTION strata.to_uuidv7(timestamptz) IS 'a version 7 UUID of this time with random bits';

CREATE FUNCTION strata.to_uuidv7_boundary(ts timestamptz)
RETURNS uuid LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'to_uuidv7_boundary_wrapper';
COMMENT ON FUNCTION strata.to_uuidv7_boundary(timestamptz) IS 'the least version 7 UUID of this time; for range conditions';

CREATE FUNCTION strata.uuid_timestamp(uuid uuid)
RETURNS timestamptz LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'uuid_timestamp_wrapper';
COMMENT ON FUNCTION strata.uuid_timestamp(uuid) IS 'time of a version 7 UUID, in milliseconds';

CREATE FUNCTION strata.uuid_timestamp_micros(uuid uuid)
RETURNS timestamptz LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'uuid_timestamp_micros_wrapper';
COMMENT ON FUNCTION strata.uuid_timestamp_micros(uuid) IS 'time of a version 7 UUID, with the fraction of the millisecond that to_uuidv7 keeps';

CREATE FUNCTION strata.uuid_version(uuid uuid)
RETURNS integer LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'uuid_version_wrapper';
COMMENT ON FUNCTION strata.uuid_version(uuid) IS 'the number in the version field of a UUID';

-- first and last: the value at the least and at the greatest time.
CREATE FUNCTION strata._first_step(internal, anyelement, "any")
RETURNS internal LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'first_step_wrapper';
COMMENT ON FUNCTION strata._first_step(internal, anyelement, "any") IS 'Internal: takes a row into first';

CREATE FUNCTION strata._last_step(internal, anyelement, "any")
RETURNS internal LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'last_step_wrapper';
COMMENT ON FUNCTION strata._last_step(internal, anyelement, "any") IS 'Internal: takes a row into last';

CREATE FUNCTION strata._first_combine(internal, internal)
RETURNS internal LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'first_combine_wrapper';
COMMENT ON FUNCTION strata._first_combine(internal, internal) IS 'Internal: joins two states of first';

CREATE FUNCTION strata._last_combine(internal, internal)
RETURNS internal LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'last_combine_wrapper';
COMMENT ON FUNCTION strata._last_combine(internal, internal) IS 'Internal: joins two states of last';

CREATE FUNCTION strata._held_value(internal, anyelement, "any")
RETURNS anyelement LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'held_value_wrapper';
COMMENT ON FUNCTION strata._held_value(internal, anyelement, "any") IS 'Internal: result of first and last';

CREATE FUNCTION strata._held_serialize(internal)
RETURNS bytea LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'held_serialize_wrapper';
COMMENT ON FUNCTION strata._held_serialize(internal) IS 'Internal: state of first and last for another process';

CREATE FUNCTION strata._held_deserialize(bytea, internal)
RETURNS internal LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'held_deserialize_wrapper';
COMMENT ON FUNCTION strata._held_deserialize(bytea, internal) IS 'Internal: state of first and last from another process';

CREATE AGGREGATE strata.first(value anyelement, "time" "any") (
  SFUNC = strata._first_step, STYPE = internal, SSPACE = 96, FINALFUNC = strata._held_value, FINALFUNC_EXTRA,
  COMBINEFUNC = strata._first_combine, SERIALFUNC = strata._held_serialize, DESERIALFUNC = strata._held_deserialize,
  PARALLEL = SAFE);
COMMENT ON AGGREGATE strata.first(anyelement, "any") IS 'the value at the least time; rows without time do not count';

CREATE AGGREGATE strata.last(value anyelement, "time" "any") (
  SFUNC = strata._last_step, STYPE = internal, SSPACE = 96, FINALFUNC = strata._held_value, FINALFUNC_EXTRA,
  COMBINEFUNC = strata._last_combine, SERIALFUNC = strata._held_serialize, DESERIALFUNC = strata._held_deserialize,
  PARALLEL = SAFE);
COMMENT ON AGGREGATE strata.last(anyelement, "any") IS 'the value at the greatest time; rows without time do not count';

CREATE FUNCTION strata._histogram_step(internal, double precision, double precision, double precision, integer)
RETURNS internal LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'histogram_step_wrapper';
COMMENT ON FUNCTION strata._histogram_step(internal, double precision, double precision, double precision, integer)
IS 'Internal: counts a row';

CREATE FUNCTION strata._histogram_combine(internal, internal)
RETURNS internal LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'histogram_combine_wrapper';
COMMENT ON FUNCTION strata._histogram_combine(internal, internal) IS 'Internal: adds the counters of two states';

CREATE FUNCTION strata._histogram_serialize(internal)
RETURNS bytea LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'histogram_serialize_wrapper';
COMMENT ON FUNCTION strata._histogram_serialize(internal) IS 'Internal: counters for another process';

CREATE FUNCTION strata._histogram_deserialize(bytea, internal)
RETURNS internal LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'histogram_deserialize_wrapper';
COMMENT ON FUNCTION strata._histogram_deserialize(bytea, internal) IS 'Internal: counters from another process';

CREATE FUNCTION strata._histogram_counts(internal)
RETURNS integer[] LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'histogram_counts_wrapper';
COMMENT ON FUNCTION strata._histogram_counts(internal) IS 'Internal: result of histogram';

CREATE AGGREGATE strata.histogram(value double precision, min double precision, max double precision, nbuckets integer) (
  SFUNC = strata._histogram_step, STYPE = internal, SSPACE = 256, FINALFUNC = strata._histogram_counts,
  COMBINEFUNC = strata._histogram_combine, SERIALFUNC = strata._histogram_serialize,
  DESERIALFUNC = strata._histogram_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE strata.histogram(double precision, double precision, double precision, integer)
IS 'numbers of values below min, in nbuckets equal parts of [min, max), and at or above max';

-- Gap filling. The three functions never run as such: the planner's support functions mark them (src/pg/gapfill.rs).

CREATE FUNCTION strata._gapfill_support(internal)
RETURNS internal LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gapfill_support_wrapper';
COMMENT ON FUNCTION strata._gapfill_support(internal) IS 'Internal: tells the planner about time_bucket_gapfill';

CREATE FUNCTION strata._locf_support(internal)
RETURNS internal LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'locf_support_wrapper';
COMMENT ON FUNCTION strata._locf_support(internal) IS 'Internal: tells the planner about locf';

CREATE FUNCTION strata._interpolate_support(internal)
RETURNS internal LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'interpolate_support_wrapper';
COMMENT ON FUNCTION strata._interpolate_support(internal) IS 'Internal: tells the planner about interpolate';

CREATE FUNCTION strata._gapfilled_support(internal)
RETURNS internal LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'gapfilled_support_wrapper';
COMMENT ON FUNCTION strata._gapfilled_support(internal) IS 'Internal: takes _gapfilled away';

CREATE FUNCTION strata._gapfilled(anyelement)
RETURNS anyelement LANGUAGE c VOLATILE PARALLEL SAFE SUPPORT strata._gapfilled_support AS 'MODULE_PATHNAME', 'gapfilled_wrapper';
COMMENT ON FUNCTION strata._gapfilled(anyelement) IS 'Internal: keeps conditions of outer queries outside of gap filling';

-- stable: the planner must not make a constant of it, and looks at it once before the first row
CREATE FUNCTION strata._gapfill_if(boolean)
RETURNS boolean LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'gapfill_if_wrapper';
COMMENT ON FUNCTION strata._gapfill_if(boolean) IS 'Internal: keeps a condition that is never true apart from those that tell the range';

-- volatile, as the planner must not move conditions on it either
CREATE FUNCTION strata.time_bucket_gapfill(bucket_width smallint, ts smallint, start smallint DEFAULT NULL, finish smallint DEFAULT NULL)
RETURNS smallint LANGUAGE c VOLATILE PARALLEL SAFE SUPPORT strata._gapfill_support AS 'MODULE_PATHNAME', 'gapfill_int2_wrapper';
COMMENT ON FUNCTION strata.time_bucket_gapfill(smallint, smallint, smallint, smallint) IS 'time_bucket in GROUP BY, with a row for each empty bucket from start up to finish';

CREATE FUNCTION strata.time_bucket_gapfill(bucket_width integer, ts integer, start integer DEFAULT NULL, finish integer DEFAULT NULL)
RETURNS integer LANGUAGE c VOLATILE PARALLEL SAFE SUPPORT strata._gapfill_support AS 'MODULE_PATHNAME', 'gapfill_int4_wrapper';
COMMENT ON FUNCTION strata.time_bucket_gapfill(integer, integer, integer, integer) IS 'time_bucket in GROUP BY, with a row for each empty bucket from start up to finish';

CREATE FUNCTION strata.time_bucket_gapfill(bucket_width bigint, ts bigint, start bigint DEFAULT NULL, finish bigint DEFAULT NULL)
RETURNS bigint LANGUAGE c VOLATILE PARALLEL SAFE SUPPORT strata._gapfill_support AS 'MODULE_PATHNAME', 'gapfill_int8_wrapper';
COMMENT ON FUNCTION strata.time_bucket_gapfill(bigint, bigint, bigint, bigint) IS 'time_bucket in GROUP BY, with a row for each empty bucket from start up to finish';

CREATE FUNCTION strata.time_bucket_gapfill(bucket_width interval, ts date, start date DEFAULT NULL, finish date DEFAULT NULL)
RETURNS date LANGUAGE c VOLATILE PARALLEL SAFE SUPPORT strata._gapfill_support AS 'MODULE_PATHNAME', 'gapfill_date_wrapper';
COMMENT ON FUNCTION strata.time_bucket_gapfill(interval, date, date, date) IS 'time_bucket in GROUP BY, with a row for each empty bucket from start up to finish';

CREATE FUNCTION strata.time_bucket_gapfill(bucket_width interval, ts timestamp, start timestamp DEFAULT NULL, finish timestamp DEFAULT NULL)
RETURNS timestamp LANGUAGE c VOLATILE PARALLEL SAFE SUPPORT strata._gapfill_support AS 'MODULE_PATHNAME', 'gapfill_time_wrapper';
COMMENT ON FUNCTION strata.time_bucket_gapfill(interval, timestamp, timestamp, timestamp) IS 'time_bucket in GROUP BY, with a row for each empty bucket from start up to finish';

CREATE FUNCTION strata.time_bucket_gapfill(bucket_width interval, ts timestamptz, start timestamptz DEFAULT NULL, finish timestamptz DEFAULT NULL)
RETURNS timestamptz LANGUAGE c VOLATILE PARALLEL SAFE SUPPORT strata._gapfill_support AS 'MODULE_PATHNAME', 'gapfill_time_wrapper';
COMMENT ON FUNCTION strata.time_bucket_gapfill(interval, timestamptz, timestamptz, timestamptz) IS 'time_bucket in GROUP BY, with a row for each empty bucket from start up to finish';

CREATE FUNCTION strata.time_bucket_gapfill(
  bucket_width interval, ts timestamptz, timezone text, start timestamptz DEFAULT NULL, finish timestamptz DEFAULT NULL)
RETURNS timestamptz LANGUAGE c VOLATILE PARALLEL SAFE SUPPORT strata._gapfill_support AS 'MODULE_PATHNAME', 'gapfill_zone_wrapper';
COMMENT ON FUNCTION strata.time_bucket_gapfill(interval, timestamptz, text, timestamptz, timestamptz)
IS 'time_bucket in local time in GROUP BY, with a row for each empty bucket from start up to finish';

CREATE FUNCTION strata.locf(value anyelement, prev anyelement DEFAULT NULL, treat_null_as_missing boolean DEFAULT false)
RETURNS anyelement LANGUAGE c STABLE PARALLEL SAFE SUPPORT strata._locf_support AS 'MODULE_PATHNAME', 'locf_wrapper';
COMMENT ON FUNCTION strata.locf(anyelement, anyelement, boolean) IS 'in rows of empty buckets: the last value of the series before';

CREATE FUNCTION strata.interpolate(value smallint, prev record DEFAULT NULL, next record DEFAULT NULL)
RETURNS smallint LANGUAGE c STABLE PARALLEL SAFE SUPPORT strata._interpolate_support AS 'MODULE_PATHNAME', 'interpolate_wrapper';
COMMENT ON FUNCTION strata.interpolate(smallint, record, record) IS 'in rows of empty buckets: the value on the line between the known ones';

CREATE FUNCTION strata.interpolate(value integer, prev record DEFAULT NULL, next record DEFAULT NULL)
RETURNS integer LANGUAGE c STABLE PARALLEL SAFE SUPPORT strata._interpolate_support AS 'MODULE_PATHNAME', 'interpolate_wrapper';
COMMENT ON FUNCTION strata.interpolate(integer, record, record) IS 'in rows of empty buckets: the value on the line between the known ones';

CREATE FUNCTION strata.interpolate(value bigint, prev record DEFAULT NULL, next record DEFAULT NULL)
RETURNS bigint LANGUAGE c STABLE PARALLEL SAFE SUPPORT strata._interpolate_support AS 'MODULE_PATHNAME', 'interpolate_wrapper';
COMMENT ON FUNCTION strata.interpolate(bigint, record, record) IS 'in rows of empty buckets: the value on the line between the known ones';

CREATE FUNCTION strata.interpolate(value real, prev record DEFAULT NULL, next record DEFAULT NULL)
RETURNS real LANGUAGE c STABLE PARALLEL SAFE SUPPORT strata._interpolate_support AS 'MODULE_PATHNAME', 'interpolate_wrapper';
COMMENT ON FUNCTION strata.interpolate(real, record, record) IS 'in rows of empty buckets: the value on the line between the known ones';

CREATE FUNCTION strata.interpolate(value double precision, prev record DEFAULT NULL, next record DEFAULT NULL)
RETURNS double precision LANGUAGE c STABLE PARALLEL SAFE SUPPORT strata._interpolate_support AS 'MODULE_PATHNAME', 'interpolate_wrapper';
COMMENT ON FUNCTION strata.interpolate(double precision, record, record) IS 'in rows of empty buckets: the value on the line between the known ones';
