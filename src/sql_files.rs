//! The SQL files of the extension, each after the ones that it needs.

pgrx::extension_sql_file!(
    "../sql/hypertable/tables.sql",
    name = "hypertable_tables",
    bootstrap
);
pgrx::extension_sql_file!(
    "../sql/queue/tables.sql",
    name = "queue_tables",
    requires = ["hypertable_tables"]
);
pgrx::extension_sql_file!(
    "../sql/queue/queue_tables.sql",
    name = "queue_queue_tables",
    requires = ["queue_tables"]
);
pgrx::extension_sql_file!(
    "../sql/queue/queue_time_tables.sql",
    name = "queue_time_tables",
    requires = ["queue_queue_tables"]
);
pgrx::extension_sql_file!(
    "../sql/queue/queue_keys.sql",
    name = "queue_keys",
    requires = ["queue_queue_tables"]
);
pgrx::extension_sql_file!(
    "../sql/queue/queue_groups.sql",
    name = "queue_groups",
    requires = ["queue_queue_tables"]
);
pgrx::extension_sql_file!(
    "../sql/queue/queue_after.sql",
    name = "queue_after",
    requires = ["queue_queue_tables"]
);
pgrx::extension_sql_file!(
    "../sql/queue/rights_tables.sql",
    name = "queue_rights_tables",
    requires = ["queue_time_tables"]
);
pgrx::extension_sql_file!(
    "../sql/queue/queue_past_tables.sql",
    name = "queue_past_tables",
    requires = ["queue_rights_tables"]
);
pgrx::extension_sql_file!(
    "../sql/cold/tables.sql",
    name = "cold_tables",
    requires = ["queue_past_tables"]
);
pgrx::extension_sql_file!(
    "../sql/migration/tables.sql",
    name = "migration_tables",
    requires = ["cold_tables"]
);
pgrx::extension_sql_file!(
    "../sql/hypertable/code.sql",
    name = "hypertable_code",
    requires = ["migration_tables"]
);
pgrx::extension_sql_file!(
    "../sql/hypertable/time_code.sql",
    name = "hypertable_time_code",
    requires = ["hypertable_code"]
);
pgrx::extension_sql_file!(
    "../sql/hypertable/chunk_code.sql",
    name = "hypertable_chunk_code",
    requires = ["hypertable_time_code"]
);
pgrx::extension_sql_file!(
    "../sql/queue/code.sql",
    name = "queue_code",
    requires = ["hypertable_chunk_code"]
);
pgrx::extension_sql_file!(
    "../sql/queue/queue_code.sql",
    name = "queue_queue_code",
    requires = ["queue_code"]
);
pgrx::extension_sql_file!(
    "../sql/queue/queue_time_code.sql",
    name = "queue_time_code",
    requires = ["queue_queue_code"]
);
pgrx::extension_sql_file!(
    "../sql/queue/sql_jobs.sql",
    name = "queue_sql_jobs",
    requires = ["queue_time_code"]
);
pgrx::extension_sql_file!(
    "../sql/queue/rights_code.sql",
    name = "queue_rights_code",
    requires = ["queue_sql_jobs"]
);
pgrx::extension_sql_file!(
    "../sql/queue/schedules.sql",
    name = "queue_schedules",
    requires = ["queue_rights_code"]
);
pgrx::extension_sql_file!(
    "../sql/queue/queue_past_code.sql",
    name = "queue_past_code",
    requires = ["queue_schedules"]
);
pgrx::extension_sql_file!(
    "../sql/queue/wake_code.sql",
    name = "queue_wake_code",
    requires = ["queue_past_code"]
);
pgrx::extension_sql_file!(
    "../sql/hypertable/policy_code.sql",
    name = "hypertable_policy_code",
    requires = ["queue_wake_code"]
);
pgrx::extension_sql_file!(
    "../sql/hypertable/client_code.sql",
    name = "hypertable_client_code",
    requires = ["hypertable_policy_code"]
);
pgrx::extension_sql_file!(
    "../sql/cold/code.sql",
    name = "cold_code",
    requires = ["hypertable_client_code"]
);
pgrx::extension_sql_file!(
    "../sql/cold/upkeep_code.sql",
    name = "cold_upkeep_code",
    requires = ["cold_code"]
);
pgrx::extension_sql_file!(
    "../sql/cold/events_code.sql",
    name = "cold_events_code",
    requires = ["cold_upkeep_code"]
);
pgrx::extension_sql_file!(
    "../sql/migration/code.sql",
    name = "migration_code",
    requires = ["cold_events_code"]
);
pgrx::extension_sql_file!(
    "../sql/migration/foreign.sql",
    name = "migration_foreign",
    requires = ["migration_code"]
);
pgrx::extension_sql_file!(
    "../sql/migration/tasks.sql",
    name = "migration_tasks",
    requires = ["migration_foreign"]
);
pgrx::extension_sql_file!(
    "../sql/migration/task_progress.sql",
    name = "migration_task_progress",
    requires = ["migration_tasks"]
);
pgrx::extension_sql_file!(
    "../sql/migration/backfill.sql",
    name = "migration_backfill",
    requires = ["migration_task_progress"]
);
pgrx::extension_sql_file!(
    "../sql/migration/objects.sql",
    name = "migration_objects",
    requires = ["migration_backfill"]
);
pgrx::extension_sql_file!(
    "../sql/migration/proof.sql",
    name = "migration_proof",
    requires = ["migration_objects"]
);
pgrx::extension_sql_file!(
    "../sql/migration/explain.sql",
    name = "migration_explain",
    requires = ["migration_proof"]
);
pgrx::extension_sql_file!(
    "../sql/migration/capture.sql",
    name = "migration_capture",
    requires = ["migration_explain"]
);
pgrx::extension_sql_file!(
    "../sql/migration/advice.sql",
    name = "migration_advice",
    requires = ["migration_capture"]
);
pgrx::extension_sql_file!(
    "../sql/hypertable/comments.sql",
    name = "hypertable_comments",
    requires = ["migration_advice"]
);
pgrx::extension_sql_file!(
    "../sql/cold/comments.sql",
    name = "cold_comments",
    requires = ["hypertable_comments"]
);
pgrx::extension_sql_file!("../sql/grants.sql", name = "grants", finalize);
