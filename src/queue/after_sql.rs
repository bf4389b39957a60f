//! Statements about jobs that wait for other jobs; they run as the extension's owner. They wait for no other
//! transaction, unless they say so: what somebody else has locked is passed over.

use super::pair::{Each, each};

pub const ADD: Each = each!(
    "INSERT INTO ",
    "queue_after",
    " (parent, child, qid, parent_qid, failed) VALUES ($1, $2, $3, $4, false) ON CONFLICT DO NOTHING RETURNING 1"
);
pub const REMOVE: Each = Each {
    a: "DELETE FROM strata.queue_after_a WHERE ctid = ANY (ARRAY(SELECT ctid FROM strata.queue_after_a \
        WHERE parent = $1 AND child = $2 FOR UPDATE SKIP LOCKED)) RETURNING 1",
    b: "DELETE FROM strata.queue_after_b WHERE ctid = ANY (ARRAY(SELECT ctid FROM strata.queue_after_b \
        WHERE parent = $1 AND child = $2 FOR UPDATE SKIP LOCKED)) RETURNING 1",
};
pub const REMOVE_ALL: Each = Each {
    a: "DELETE FROM strata.queue_after_a WHERE ctid = ANY (ARRAY(SELECT ctid FROM strata.queue_after_a \
        WHERE child = $1 FOR UPDATE SKIP LOCKED)) RETURNING 1",
    b: "DELETE FROM strata.queue_after_b WHERE ctid = ANY (ARRAY(SELECT ctid FROM strata.queue_after_b \
        WHERE child = $1 FOR UPDATE SKIP LOCKED)) RETURNING 1",
};
/// Waits for whoever is ending a parent.
pub const REMOVE_ALL_WAITING: Each = each!(
    "DELETE FROM ",
    "queue_after",
    " WHERE child = $1 RETURNING 1"
);
pub const SET_FAILED: Each = Each {
    a: "UPDATE strata.queue_after_a SET failed = true WHERE ctid = ANY (ARRAY(SELECT ctid FROM strata.queue_after_a \
        WHERE parent = $1 AND child = $2 FOR UPDATE SKIP LOCKED)) RETURNING 1",
    b: "UPDATE strata.queue_after_b SET failed = true WHERE ctid = ANY (ARRAY(SELECT ctid FROM strata.queue_after_b \
        WHERE parent = $1 AND child = $2 FOR UPDATE SKIP LOCKED)) RETURNING 1",
};
pub const CHILDREN: &str = "SELECT child, qid FROM strata.queue_after_a WHERE parent = $1 \
    UNION ALL SELECT child, qid FROM strata.queue_after_b WHERE parent = $1 ORDER BY 1";
pub const PARENTS: &str = "SELECT parent, parent_qid, failed FROM strata.queue_after_a WHERE child = $1 \
    UNION ALL SELECT parent, parent_qid, failed FROM strata.queue_after_b WHERE child = $1";
/// A parent that keeps a child waiting, or lets it fail if there is such a one.
pub const ONE_LEFT: &str = "(SELECT parent, failed FROM strata.queue_after_a WHERE child = $1 AND failed LIMIT 1) \
    UNION ALL (SELECT parent, failed FROM strata.queue_after_b WHERE child = $1 AND failed LIMIT 1) \
    UNION ALL (SELECT parent, failed FROM strata.queue_after_a WHERE child = $1 LIMIT 1) \
    UNION ALL (SELECT parent, failed FROM strata.queue_after_b WHERE child = $1 LIMIT 1) LIMIT 1";
/// Those that wait for jobs of one queue.
pub const OF_QUEUE: &str = "SELECT parent, child, qid FROM strata.queue_after_a WHERE parent_qid = $1 \
    UNION ALL SELECT parent, child, qid FROM strata.queue_after_b WHERE parent_qid = $1";
/// True if job $2 is among these jobs or those that they wait for.
pub const CIRCLE: &str = "WITH RECURSIVE up (id) AS (SELECT pg_catalog.unnest($1::bigint[]) UNION \
    SELECT a.parent FROM up JOIN (SELECT parent, child FROM strata.queue_after_a \
    UNION ALL SELECT parent, child FROM strata.queue_after_b) a ON a.child = up.id) \
    SELECT EXISTS (SELECT FROM up WHERE id = $2)";
/// Jobs that wait, from one on: id, queue or stream, and whether nothing keeps them any more.
pub const WAITING: &str = "SELECT h.id, h.qid, \
    NOT EXISTS (SELECT FROM strata.queue_after_a a WHERE a.child = h.id AND NOT a.failed) \
    AND NOT EXISTS (SELECT FROM strata.queue_after_b a WHERE a.child = h.id AND NOT a.failed) \
    OR EXISTS (SELECT FROM strata.queue_after_a a WHERE a.child = h.id AND a.failed) \
    OR EXISTS (SELECT FROM strata.queue_after_b a WHERE a.child = h.id AND a.failed) \
    FROM ((SELECT id, qid FROM strata.queue_held_a WHERE state = 'a' AND id > $1 ORDER BY id LIMIT $2) \
    UNION ALL (SELECT id, qid FROM strata.queue_held_b WHERE state = 'a' AND id > $1 ORDER BY id LIMIT $2)) h \
    ORDER BY h.id LIMIT $2";
pub const TAKE: Each = Each {
    a: "DELETE FROM strata.queue_held_a WHERE ctid = (SELECT ctid FROM strata.queue_held_a \
        WHERE qid = ANY ($1) AND id = $2 AND state = 'a' FOR UPDATE SKIP LOCKED) RETURNING *",
    b: "DELETE FROM strata.queue_held_b WHERE ctid = (SELECT ctid FROM strata.queue_held_b \
        WHERE qid = ANY ($1) AND id = $2 AND state = 'a' FOR UPDATE SKIP LOCKED) RETURNING *",
};
pub const WITH_ERROR: &str = "SELECT coalesce($1, '[]'::jsonb) || pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object( \
    'attempt', $2, 'at', pg_catalog.clock_timestamp(), 'error', 'parent', 'parent', $3))";
