-- Cold tier: the manifest (which file holds which chunk) and its working tables.
-- Read with a latest snapshot, never with a query's: moving a chunk is a physical change.

-- Names of columns are kept current by their numbers, which hold where hypertable_oid is the table's own.
CREATE TABLE strata.cold_setting (
    hypertable    regclass PRIMARY KEY,
    hypertable_oid oid NOT NULL,
    server        name NOT NULL,
    late_rows     text NOT NULL DEFAULT 'accept' CHECK (late_rows IN ('accept', 'reject')),
    cluster_by    name[], -- order of the rows in a file; NULL: by the partition column
    bloom_columns name[],
    full_text     name[],
    cluster_attnums int2[],
    bloom_attnums int2[],
    full_text_attnums int2[],
    indexes       text NOT NULL DEFAULT 'all' CHECK (indexes IN ('all', 'unique', 'none')),
    verify        text NOT NULL DEFAULT 'full' CHECK (verify IN ('full', 'sample', 'checksum'))
);

-- One row per chunk that is frozen (its export is under way) or live (its rows are in the file).
-- chunk_oid repeats the OID as a number: where it differs from chunk, the row came through a dump.
CREATE TABLE strata.cold_file (
    id           uuid PRIMARY KEY,
    hypertable   regclass NOT NULL,
    chunk        regclass NOT NULL UNIQUE,
    chunk_oid    oid NOT NULL,
    generation   integer NOT NULL,
    state        text NOT NULL CHECK (state IN ('frozen', 'live')),
    attempt      bigint NOT NULL,
    server       name,
    key          text,
    etag         text,
    bytes        bigint,
    sha256       text,
    rows         bigint,
    content_hash text,
    raw_table    text,
    rowid_name   text,
    range_start  text,
    range_end    text,
    owner_token  text,
    created_at   timestamptz NOT NULL DEFAULT pg_catalog.now(),
    late_since   timestamptz, -- when the policy first saw late rows
    CHECK (state OPERATOR(pg_catalog.=) 'frozen' OR (server IS NOT NULL AND key IS NOT NULL AND etag IS NOT NULL
        AND bytes IS NOT NULL AND sha256 IS NOT NULL AND rows IS NOT NULL AND raw_table IS NOT NULL))
);

-- Columns of a file, matched by attnum; attname serves to find the attnum again after a dump.
-- A row without physical name is a column added after the export: every cold row has "missing" there.
CREATE TABLE strata.cold_column (
    file      uuid NOT NULL, -- no foreign key, see strata.dimension
    attnum    smallint NOT NULL,
    attname   name NOT NULL,
    physical  text,
    type_name text NOT NULL,
    encoding  text NOT NULL,
    mixed     boolean NOT NULL DEFAULT false,
    nulls     bigint,
    min_value text,
    max_value text,
    ascending boolean NOT NULL DEFAULT false,
    missing   text,
    PRIMARY KEY (file, attnum)
);

-- Unique keys whose index the file carries. What counts as equal is noted per column: the family of its operator
-- class, and its collation where that takes different texts for equal ('' elsewhere).
CREATE TABLE strata.cold_key (
    file       uuid NOT NULL, -- no foreign key, see strata.dimension
    index_name name NOT NULL,
    columns    name[] NOT NULL,
    families   text[] NOT NULL,
    collations text[] NOT NULL,
    nulls_equal boolean NOT NULL, -- NULLS NOT DISTINCT
    PRIMARY KEY (file, index_name)
);

-- Bloom filters over columns of a file, by the names that they have inside it. EXTERNAL: one look reads one
-- slice of the bits.
CREATE TABLE strata.cold_bloom (
    file    uuid NOT NULL, -- no foreign key, see strata.dimension
    columns text[] NOT NULL,
    blocks  integer NOT NULL,
    bits    bytea NOT NULL,
    PRIMARY KEY (file, columns)
);
ALTER TABLE strata.cold_bloom ALTER COLUMN bits SET STORAGE EXTERNAL;

-- Cold chunks whose file and late rows are being merged into a new file. The chunk stays cold; writes leave
-- marks as for a frozen chunk. Not dumped: nobody merges in a copy.
CREATE TABLE strata.cold_merge (
    chunk   oid PRIMARY KEY,
    attempt bigint NOT NULL
);

-- Pages that every reader of a remote file needs first: schema and inner pages. Saves requests, nothing
-- else: not dumped.
CREATE TABLE strata.cold_head (
    file      uuid PRIMARY KEY, -- no foreign key, see strata.dimension
    page_size integer NOT NULL,
    pages     bigint[] NOT NULL,
    bytes     bytea NOT NULL
);

-- CRC-32 of each page of a file, four bytes a page, from before it was stored.
CREATE TABLE strata.cold_sum (
    file      uuid PRIMARY KEY, -- no foreign key, see strata.dimension
    page_size integer NOT NULL,
    crc32     bytea NOT NULL
);

-- Run maps: for columns that ascend with the rowid, first value, rowid and offset of each 256 kB of
-- table pages. Columns go by their names inside the file, which never change.
CREATE TABLE strata.cold_run (
    file       uuid NOT NULL, -- no foreign key, see strata.dimension
    physical   text NOT NULL,
    keys       bigint[] NOT NULL,
    rowids     bigint[] NOT NULL,
    offsets    bigint[] NOT NULL,
    last_rowid bigint NOT NULL,
    last_key   bigint NOT NULL,
    end_offset bigint NOT NULL,
    PRIMARY KEY (file, physical)
);

-- Indexes inside a file, by the names that its columns have there: those never change.
CREATE TABLE strata.cold_index (
    file       uuid NOT NULL, -- no foreign key, see strata.dimension
    index_name name NOT NULL,
    columns    text[] NOT NULL,
    descending boolean[] NOT NULL,
    is_unique  boolean NOT NULL,
    PRIMARY KEY (file, index_name)
);

-- First write of each subtransaction to a frozen chunk: the export gives way when it finds a row.
CREATE TABLE strata.cold_touch (
    chunk   oid NOT NULL,
    attempt bigint NOT NULL
);
CREATE INDEX cold_touch_chunk ON strata.cold_touch (chunk, attempt);
-- without a key, a publication FOR ALL TABLES would refuse the exporter's DELETE
ALTER TABLE strata.cold_touch REPLICA IDENTITY FULL;

-- Export jobs, queued, running and ended.
CREATE TABLE strata.cold_export (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chunk       regclass NOT NULL,
    role        oid NOT NULL,
    state       text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed')),
    pid         integer, -- of the process that works on it, or did so last
    step        text,
    attempt     integer NOT NULL DEFAULT 0,
    queued_at   timestamptz NOT NULL DEFAULT pg_catalog.now(),
    started_at  timestamptz,
    finished_at timestamptz,
    rows_total  bigint,
    rows_done   bigint,
    blocked_by  text,
    last_error  text,
    withdrawn   boolean NOT NULL DEFAULT false, -- the chunk was untiered since
    generation  integer -- the highest of the chunk when the job ended: files are forgotten, their numbers are not
);
CREATE UNIQUE INDEX cold_export_chunk ON strata.cold_export (chunk) WHERE state IN ('queued', 'running');

-- Objects that an upload may have left behind: committed before the first byte is sent.
CREATE TABLE strata.cold_upload (
    key        text NOT NULL,
    server     name NOT NULL,
    chunk      oid NOT NULL,
    upload_id  text, -- what an upload in parts is aborted by; in a directory the temporary name
    started_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    expires_at timestamptz NOT NULL DEFAULT pg_catalog.now() OPERATOR(pg_catalog.+) interval '24 hours',
    PRIMARY KEY (server, key)
);

-- Objects that no chunk needs any more. Nothing is deleted inline.
CREATE TABLE strata.cold_delete_queue (
    key         text NOT NULL,
    server      name NOT NULL,
    owner_token text,
    chunk       oid,
    generation  integer,
    bytes       bigint,
    reason      text NOT NULL,
    queued_at   timestamptz NOT NULL DEFAULT pg_catalog.now(),
    attempts    integer NOT NULL DEFAULT 0,
    retry_at    timestamptz,
    last_error  text,
    PRIMARY KEY (server, key)
);

-- Who owns the files that this database writes. Not dumped: a copy gets an identity of its own.
CREATE TABLE strata.cold_owner (
    install   uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton)
);
INSERT INTO strata.cold_owner DEFAULT VALUES;

-- Folders <database>-<tag> of servers that this database has written to, with the identity of that time and the
-- value in each one's owner file. Not dumped either: who reads a dump owns nothing.
CREATE TABLE strata.cold_lease (
    server         name NOT NULL,
    folder         text NOT NULL,
    owner_token    text NOT NULL,
    timeline       bigint NOT NULL,
    last_value     text,
    intended_value text,
    adopted_at     timestamptz,
    renewed_at     timestamptz,
    proven_at      timestamptz, -- the value written then was found unchanged later
    stopped        text, -- why nothing is deleted there until somebody decides
    failures       integer NOT NULL DEFAULT 0,
    retry_at       timestamptz,
    last_error     text,
    PRIMARY KEY (server, folder)
);

-- What the collection of garbage has done.
CREATE TABLE strata.cold_gc_log (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run    uuid NOT NULL,
    at     timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    server name NOT NULL,
    action text NOT NULL,
    key    text NOT NULL,
    bytes  bigint,
    reason text NOT NULL
);
CREATE INDEX cold_gc_log_run ON strata.cold_gc_log (run);

-- Holds nothing, and nobody reads it: a lock on it is that of a dump which takes the manifest along.
CREATE TABLE strata.cold_dump_mark (nothing boolean);

SELECT pg_catalog.pg_extension_config_dump('strata.cold_dump_mark', '');
SELECT pg_catalog.pg_extension_config_dump('strata.cold_setting', '');
-- either the manifest or the rows: never both, which would double them
SELECT pg_catalog.pg_extension_config_dump('strata.cold_file', $$WHERE state = 'live'
      AND CASE WHEN lower(current_setting('strata.dump_cold', true)) = 'rows' THEN false
               ELSE strata._cold_dumped(id, chunk) END$$);
SELECT pg_catalog.pg_extension_config_dump('strata.cold_column',
    $$WHERE file IN (SELECT id FROM strata.cold_file WHERE state = 'live')
      AND lower(current_setting('strata.dump_cold', true)) IS DISTINCT FROM 'rows'$$);
SELECT pg_catalog.pg_extension_config_dump('strata.cold_key',
    $$WHERE file IN (SELECT id FROM strata.cold_file WHERE state = 'live')
      AND lower(current_setting('strata.dump_cold', true)) IS DISTINCT FROM 'rows'$$);
SELECT pg_catalog.pg_extension_config_dump('strata.cold_bloom',
    $$WHERE file IN (SELECT id FROM strata.cold_file WHERE state = 'live')
      AND lower(current_setting('strata.dump_cold', true)) IS DISTINCT FROM 'rows'$$);
SELECT pg_catalog.pg_extension_config_dump('strata.cold_sum',
    $$WHERE file IN (SELECT id FROM strata.cold_file WHERE state = 'live')
      AND lower(current_setting('strata.dump_cold', true)) IS DISTINCT FROM 'rows'$$);
SELECT pg_catalog.pg_extension_config_dump('strata.cold_run',
    $$WHERE file IN (SELECT id FROM strata.cold_file WHERE state = 'live')
      AND lower(current_setting('strata.dump_cold', true)) IS DISTINCT FROM 'rows'$$);
SELECT pg_catalog.pg_extension_config_dump('strata.cold_index',
    $$WHERE file IN (SELECT id FROM strata.cold_file WHERE state = 'live')
      AND lower(current_setting('strata.dump_cold', true)) IS DISTINCT FROM 'rows'$$);
