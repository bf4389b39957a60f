-- Who may do what. Functions check ownership themselves; internal ones are not for PUBLIC.
GRANT USAGE ON SCHEMA strata TO PUBLIC;

REVOKE ALL ON TABLE strata.cold_setting, strata.cold_file, strata.cold_column, strata.cold_key, strata.cold_index,
    strata.cold_touch, strata.cold_export, strata.cold_upload, strata.cold_delete_queue,
    strata.cold_owner, strata.cold_head, strata.cold_sum, strata.cold_run,
    strata.cold_dump_mark FROM PUBLIC;
GRANT SELECT ON strata.cold_files, strata.cold_exports, strata.cold_progress, strata.cold_session_files TO PUBLIC;

REVOKE ALL ON FUNCTION strata._cold_restored() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_handler(internal) FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._sqlite_handler() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._sqlite_validator(text[], oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_on_drop() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_changed() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_unreplicated() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_forgotten() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_guard() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_before_alter() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_after_alter() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_before_alter_now() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_after_alter_now() FROM PUBLIC;

-- the directory inside the data directory: its use is bounded by what the role may store anyway
GRANT USAGE ON FOREIGN SERVER strata_local TO PUBLIC;

-- owning files and deleting them
REVOKE ALL ON TABLE strata.cold_lease, strata.cold_gc_log FROM PUBLIC;
GRANT SELECT ON strata.cold_leases TO PUBLIC;
REVOKE ALL ON FUNCTION strata.cold_gc(name, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION strata.cold_adopt(name) FROM PUBLIC;
REVOKE ALL ON FUNCTION strata.cold_fork(name) FROM PUBLIC;
