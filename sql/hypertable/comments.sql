-- Hypertables: one comment per object.

COMMENT ON DOMAIN strata.dimension_info IS 'what by_range says about a dimension';
COMMENT ON CONSTRAINT dimension_info_is_object ON DOMAIN strata.dimension_info IS 'made by strata.by_range';

COMMENT ON TABLE strata.hypertable IS 'registered hypertables; see the view strata.hypertables';
COMMENT ON COLUMN strata.hypertable.relation IS 'the partitioned table; its key is in pg_partitioned_table';
COMMENT ON COLUMN strata.hypertable.chunk_interval IS 'width of new chunks of a time key, in UTC, months by calendar; of ids, the time that a chunk should hold';
COMMENT ON COLUMN strata.hypertable.integer_interval IS 'width of new chunks of an integer key';
COMMENT ON COLUMN strata.hypertable.premake IS 'number of chunks kept ready ahead of now() and of the newest data';
COMMENT ON COLUMN strata.hypertable.chunk_options IS 'storage parameters of new chunks';
COMMENT ON SEQUENCE strata.hypertable_id_seq IS 'numbers hypertables; the number is part of the names of chunks';
COMMENT ON COLUMN strata.hypertable.id IS 'number of the hypertable, part of the names of its chunks';
COMMENT ON COLUMN strata.hypertable.created_at IS 'when the table became a hypertable';
COMMENT ON COLUMN strata.hypertable.chunk_origin IS 'where chunks are counted from; NULL for Monday 2000-01-03, or 2000-01-01 for months';
COMMENT ON COLUMN strata.hypertable.time_column IS 'the time column of a table that is partitioned by id';
COMMENT ON COLUMN strata.hypertable.end_column IS 'end of the time range of a row that starts at the key';
COMMENT ON COLUMN strata.hypertable.logical_key IS 'column that clients may take for the primary key; not enforced';
COMMENT ON COLUMN strata.hypertable.integer_now_func IS 'function that tells the current value of an integer key';
COMMENT ON COLUMN strata.hypertable.on_missing_chunk IS 'create: rows without a chunk get one; error: they are refused';
COMMENT ON COLUMN strata.hypertable.max_chunks_per_statement IS 'a statement that needs more new chunks is refused';
COMMENT ON COLUMN strata.hypertable.horizon_past IS 'no chunk is made on demand for rows older than this';
COMMENT ON COLUMN strata.hypertable.horizon_future IS 'no chunk is made on demand for rows further ahead than this';
COMMENT ON COLUMN strata.hypertable.drop_empty_after IS 'empty chunks this old, outside the premade range, are dropped';
COMMENT ON COLUMN strata.hypertable.lock_wait IS 'how long a writer waits for a process that makes its chunk';
COMMENT ON COLUMN strata.hypertable.chunk_grants IS 'true: chunks get the grants of the hypertable';
COMMENT ON COLUMN strata.hypertable.tablespaces IS 'tablespaces that new chunks take in turn';
COMMENT ON TABLE strata.dimension IS 'hash dimensions: new chunks are partitioned again by hash of this column';
COMMENT ON COLUMN strata.dimension.id IS 'number of the dimension';
COMMENT ON COLUMN strata.dimension.hypertable_id IS 'the hypertable';
COMMENT ON COLUMN strata.dimension.column_name IS 'the column that is hashed';
COMMENT ON COLUMN strata.dimension.number_partitions IS 'partitions per new chunk';
COMMENT ON SEQUENCE strata.dimension_id_seq IS 'numbers dimensions';
COMMENT ON TABLE strata.chunk_skipping IS 'columns whose least and greatest values closed chunks keep';
COMMENT ON COLUMN strata.chunk_skipping.id IS 'number of the entry';
COMMENT ON COLUMN strata.chunk_skipping.hypertable_id IS 'the hypertable';
COMMENT ON COLUMN strata.chunk_skipping.column_name IS 'the column';
COMMENT ON SEQUENCE strata.chunk_skipping_id_seq IS 'numbers columns of chunk skipping';
COMMENT ON TABLE strata.leaf_key IS 'keys that are unique inside each chunk only';
COMMENT ON COLUMN strata.leaf_key.id IS 'number of the entry';
COMMENT ON COLUMN strata.leaf_key.hypertable_id IS 'the hypertable';
COMMENT ON COLUMN strata.leaf_key.columns IS 'the columns of the key';
COMMENT ON COLUMN strata.leaf_key.nulls_not_distinct IS 'true: NULLs count as equal';
COMMENT ON SEQUENCE strata.leaf_key_id_seq IS 'numbers keys of chunks';
COMMENT ON COLUMN strata.chunk.closed_at IS 'when the chunk was found to change no more';
COMMENT ON COLUMN strata.chunk.zone IS 'least and greatest values of columns of a closed chunk';
COMMENT ON COLUMN strata.chunk.frozen IS 'true: the chunk must not be changed or dropped';
COMMENT ON TABLE strata.chunk IS 'annotations of chunks; pg_inherits says which chunks exist';
COMMENT ON COLUMN strata.chunk.chunk IS 'the partition';
COMMENT ON COLUMN strata.chunk.created_at IS 'when it was made or adopted';
COMMENT ON COLUMN strata.chunk.origin IS 'premake, on_demand, attach or user';

COMMENT ON FUNCTION strata.by_range(name, anyelement, regproc) IS 'describes a range dimension for create_hypertable';
COMMENT ON FUNCTION strata.by_hash(name, integer, regproc) IS 'describes a hash dimension for add_dimension: new chunks are partitioned again';
COMMENT ON FUNCTION strata.by_id(name, name, anyelement) IS 'describes a dimension by growing ids or version 7 uuids for create_hypertable';
COMMENT ON FUNCTION strata.create_hypertable(regclass, strata.dimension_info, boolean, boolean, boolean, name, name, text, boolean)
  IS 'makes a hypertable of a table';
COMMENT ON FUNCTION strata.create_hypertable(regclass, name, name, integer, name, name, anyelement, boolean, boolean, regproc, boolean, regproc)
  IS 'makes a hypertable of a table (older argument style)';
COMMENT ON FUNCTION strata._create_hypertable_named(regclass, strata.dimension_info, name, integer, name, name, boolean, boolean, regproc, boolean)
  IS 'internal: the older argument style of create_hypertable';
COMMENT ON FUNCTION strata.set_chunk_time_interval(regclass, anyelement, name) IS 'changes the width of chunks made from now on';
COMMENT ON FUNCTION strata.set_partitioning_interval(regclass, anyelement, name) IS 'changes the width of chunks made from now on';
COMMENT ON FUNCTION strata.set_number_partitions(regclass, integer, name) IS 'changes into how many parts chunks made from now on are hashed';
COMMENT ON FUNCTION strata.set_integer_now_func(regclass, regproc, boolean) IS 'names the function that tells the current value of an integer key';
COMMENT ON FUNCTION strata.alter_hypertable(regclass, integer, timestamptz, text, integer, interval, interval, interval, interval, boolean)
  IS 'changes settings of a hypertable and returns all of them';
COMMENT ON FUNCTION strata._two_kinds(name) IS 'internal: refuses a dimension of two kinds';
COMMENT ON FUNCTION strata.add_dimension(regclass, strata.dimension_info, boolean) IS 'chunks made from now on are partitioned again by hash';
COMMENT ON FUNCTION strata.add_dimension(regclass, name, integer, anyelement, regproc, boolean)
  IS 'chunks made from now on are partitioned again by hash (older argument style)';
COMMENT ON FUNCTION strata.enable_chunk_skipping(regclass, name, boolean) IS 'closed chunks keep the least and greatest value of the column';
COMMENT ON FUNCTION strata.disable_chunk_skipping(regclass, name, boolean) IS 'ends chunk skipping by the column';
COMMENT ON FUNCTION strata._disable_chunk_skipping(regclass, name, boolean) IS 'internal: disable_chunk_skipping';
COMMENT ON FUNCTION strata.premake_chunks(regclass, "any", "any") IS 'makes the missing chunks of a range [from, to)';
COMMENT ON FUNCTION strata.show_chunks(regclass, "any", "any", "any", "any") IS 'lists chunks of a hypertable, oldest first';
COMMENT ON FUNCTION strata.drop_chunks(regclass, "any", "any", boolean, "any", "any", boolean) IS 'drops chunks of a hypertable by age';
COMMENT ON FUNCTION strata._chunk_range(oid, oid) IS 'internal: the range of a chunk as the view strata.chunks shows it';
COMMENT ON FUNCTION strata._visible(oid) IS 'internal: true when the current user has any right on the relation';
COMMENT ON FUNCTION strata._let_owners_go() IS 'internal: takes CREATE on strata_chunks from roles that own no hypertable any more';
COMMENT ON FUNCTION strata._hypertable_dropped() IS 'internal: removes dropped tables from the catalog';
COMMENT ON FUNCTION strata._hypertable_forgotten() IS 'internal: removes what the catalog knows about a hypertable';
COMMENT ON EVENT TRIGGER strata_hypertable_dropped IS 'removes dropped hypertables and chunks from the catalog of pg_strata';
COMMENT ON VIEW strata.hypertables IS 'hypertables that the current user has any right on';
COMMENT ON VIEW strata.chunks IS 'chunks of those hypertables, with their ranges and whether they are hot or cold';
COMMENT ON VIEW strata.dimensions IS 'range and hash dimensions of those hypertables';
COMMENT ON TABLE strata.client_exposure IS 'roles that see hypertables as ordinary tables; see strata.expose_to_client';
COMMENT ON COLUMN strata.client_exposure.role_name IS 'the role';
COMMENT ON COLUMN strata.client_exposure.relations IS 'the hypertables that it sees so; NULL for all';
COMMENT ON COLUMN strata.client_exposure.saved_search_path IS 'its own search_path in this database before; NULL when it had none';
COMMENT ON COLUMN strata.client_exposure.created_at IS 'since when';
COMMENT ON FUNCTION strata._has_column(regclass, name) IS 'internal: true when the name is NULL or a column of the relation';
COMMENT ON FUNCTION strata._column_names(integer) IS 'internal: the columns that the catalog names for a hypertable';
COMMENT ON FUNCTION strata._hypertable_altered() IS 'internal: follows changes of hypertables';
COMMENT ON FUNCTION strata._hypertable_altered_now() IS 'internal: the part of it that looks at the catalog';
COMMENT ON FUNCTION strata.install_timescale_names() IS 'makes schema timescaledb_information with views of those names';
COMMENT ON EVENT TRIGGER strata_hypertable_altered IS 'keeps names of columns and owners of chunks right, and keys NOT NULL';
