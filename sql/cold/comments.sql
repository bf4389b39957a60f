-- What each object of the cold tier is, for \d+ and friends.

COMMENT ON TABLE strata.cold_setting IS 'Server that the chunks of a hypertable go to';
COMMENT ON TABLE strata.cold_file IS 'Manifest: one row per chunk that is being tiered (frozen) or cold (live)';
COMMENT ON TABLE strata.cold_column IS 'Columns of cold files, and values of columns added after the export';
COMMENT ON TABLE strata.cold_key IS 'Unique keys whose index a cold file carries';
COMMENT ON TABLE strata.cold_bloom IS 'Bloom filters of cold files: tell that a key is not in the file without reading it';
COMMENT ON TABLE strata.cold_merge IS 'Cold chunks whose late rows are being merged into a new file';
COMMENT ON TABLE strata.cold_dump_mark IS 'Empty; tells whether a dump takes the manifest of cold chunks along';
COMMENT ON TABLE strata.cold_head IS 'First pages of cold files: saves requests when they are opened; not dumped';
COMMENT ON TABLE strata.cold_sum IS 'Checksums of the pages of cold files';
COMMENT ON TABLE strata.cold_run IS 'Run maps: which rows and bytes of a cold file hold a range of values';
COMMENT ON TABLE strata.cold_index IS 'Indexes inside cold files';
COMMENT ON TABLE strata.cold_touch IS 'Marks of writers to chunks that are being tiered; the export gives way to them';
COMMENT ON TABLE strata.cold_export IS 'Export jobs: queued, running, done, failed';
COMMENT ON TABLE strata.cold_upload IS 'Objects that an interrupted upload may have left behind';
COMMENT ON TABLE strata.cold_delete_queue IS 'Objects that no chunk needs any more; nothing is deleted inline';
COMMENT ON TABLE strata.cold_owner IS 'Identity of this installation: marks the files that it owns; not dumped';
COMMENT ON TABLE strata.cold_lease IS 'Folders of stores that this database has written to, and the proof that it owns them; not dumped';
COMMENT ON TABLE strata.cold_gc_log IS 'What the collection of garbage has done in the last 90 days';
COMMENT ON SEQUENCE strata.cold_gc_log_id_seq IS 'Numbers of log entries';
COMMENT ON INDEX strata.cold_gc_log_run IS 'Finds the entries of one run';
COMMENT ON INDEX strata.cold_touch_chunk IS 'Finds the marks of one attempt';
COMMENT ON INDEX strata.cold_export_chunk IS 'At most one open job per chunk';

COMMENT ON ACCESS METHOD strata_cold IS 'Heap, but for cold chunks, whose rows are in a file of the cold tier';
COMMENT ON FOREIGN DATA WRAPPER strata_sqlite IS 'Stores for SQLite files: local directories and S3';
COMMENT ON SERVER strata_local IS 'Built-in store: the directory strata.cold_directory';

COMMENT ON FUNCTION strata._cold_handler(internal) IS 'Internal: access method strata_cold';
COMMENT ON FUNCTION strata._sqlite_handler() IS 'Internal: foreign tables over SQLite files';
COMMENT ON FUNCTION strata._sqlite_validator(text[], oid) IS 'Internal: checks options of servers, user mappings and foreign tables';
COMMENT ON FUNCTION strata.set_cold_storage(regclass, name, text, name[], name[], text, text, name[]) IS
    'Chooses the server that a hypertable''s chunks are tiered to, and how their files are written and checked';
COMMENT ON FUNCTION strata.add_tiering_policy(regclass, interval, boolean, bigint, interval, integer) IS
    'Tiers chunks that are older than move_after, and the oldest ones while the hot part is larger than keep_hot_bytes, again and again';
COMMENT ON FUNCTION strata.remove_tiering_policy(regclass, boolean) IS 'Stops tiering chunks by themselves';
COMMENT ON FUNCTION strata.remove_cold_storage(regclass) IS
    'Forgets the server of a hypertable; refused while chunks are cold';
COMMENT ON FUNCTION strata.tier_chunk(regclass) IS
    'Queues one chunk for the cold tier and returns the job''s id; a background worker does it after COMMIT';
COMMENT ON PROCEDURE strata.tier_chunks(regclass, "any", "any", bigint, integer, boolean) IS
    'Tiers the chunks that lie before or after a point, oldest first, and waits for it';
COMMENT ON PROCEDURE strata.untier_chunk(regclass) IS
    'Brings a cold chunk''s rows back into its heap, in the caller''s transaction';
COMMENT ON PROCEDURE strata.untier_chunks(regclass, "any", "any") IS
    'Brings cold chunks back, one transaction each unless a transaction block is open';
COMMENT ON FUNCTION strata.cold_check(regclass, boolean) IS
    'Looks at every live file of the caller''s hypertables: ok, missing, changed, forbidden, unreachable; deep reads all rows';
COMMENT ON FUNCTION strata.cold_cache_reset() IS 'Forgets what this session keeps of cold files: open files and blocks in memory';
COMMENT ON FUNCTION strata.cold_session_stats() IS
    'What reading cold files has cost this session: requests, bytes, blocks found in memory, milliseconds waited';
COMMENT ON FUNCTION strata._cold_session_files() IS 'Internal: counters of this session for each file that it has read';
COMMENT ON FUNCTION strata.cold_owner_token() IS 'What marks the files that this database owns';
COMMENT ON FUNCTION strata._cold_on_drop() IS 'Internal: dropped chunks leave the manifest, their files join the delete queue';
COMMENT ON FUNCTION strata._cold_guard() IS 'Internal: refuses commands that would take cold chunks along';
COMMENT ON FUNCTION strata._cold_before_alter() IS 'Internal: finds columns of restored files by name';
COMMENT ON FUNCTION strata._cold_after_alter() IS 'Internal: keeps column names of cold files current';
COMMENT ON FUNCTION strata._cold_before_alter_now() IS 'Internal: the part of _cold_before_alter that looks at the catalog';
COMMENT ON FUNCTION strata._cold_after_alter_now() IS 'Internal: the part of _cold_after_alter that looks at the catalog';

COMMENT ON VIEW strata.cold_files IS 'Files of the cold tier, one row per cold chunk of hypertables that you may SELECT';
COMMENT ON VIEW strata.cold_session_files IS
    'What reading each cold file has cost this session, for files of hypertables that you may SELECT';
COMMENT ON FUNCTION strata._cold_late_rows(regclass) IS 'Internal: rows in the range of a cold chunk that are not in its file; NULL while somebody keeps others from reading it';
COMMENT ON FUNCTION strata._cold_restored() IS 'Internal: refuses files of chunks that a restore has made without the access method which reads them';
COMMENT ON FUNCTION strata._cold_dumped(uuid, regclass) IS 'Internal: true for a file that is still the one of its chunk; otherwise an error for pg_dump';
COMMENT ON FUNCTION strata._cold_rows_read(regclass) IS 'Internal: rows that the running export of a chunk has read so far';
COMMENT ON VIEW strata.cold_progress IS 'Exports at work on your chunks: process, step, rows read so far';
COMMENT ON VIEW strata.cold_exports IS 'Export jobs of your chunks with their step, what blocks them, and the last error';

COMMENT ON EVENT TRIGGER strata_cold_drop IS 'Dropped chunks leave the manifest';
COMMENT ON FUNCTION strata._cold_changed() IS 'Internal: sessions forget what they know of chunks after a restore of the manifest';
COMMENT ON FUNCTION strata._cold_unreplicated() IS 'Internal: keeps rows of other databases, which a subscription brings, out of the catalog';
COMMENT ON FUNCTION strata._cold_forgotten() IS 'Internal: removes what the catalog knows about a file';
COMMENT ON EVENT TRIGGER strata_cold_guard IS 'Refuses DROP EXTENSION, DROP SCHEMA strata, DROP SERVER and DROP ACCESS METHOD while chunks are cold';
COMMENT ON EVENT TRIGGER strata_cold_before_alter IS 'Finds columns of restored files by name';
COMMENT ON EVENT TRIGGER strata_cold_after_alter IS 'Keeps column names of cold files current';
COMMENT ON SEQUENCE strata.cold_export_id_seq IS 'Numbers of export jobs';
