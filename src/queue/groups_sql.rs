//! Statements about groups; they run as the extension's owner.

use super::pair::{Each, each};

pub const HOLD: Each = each!(
    "INSERT INTO ",
    "queue_held",
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"
);
pub const OWN_TICKET: &str = "SELECT failed FROM strata.queue_ticket_a WHERE number = $1 AND id = $2 \
    UNION ALL SELECT failed FROM strata.queue_ticket_b WHERE number = $1 AND id = $2";
pub const SET_FAILED: Each = each!(
    "UPDATE ",
    "queue_ticket",
    " SET failed = $3 WHERE number = $1 AND id = $2 RETURNING 1"
);
pub const GIVE_BACK: Each = each!(
    "DELETE FROM ",
    "queue_ticket",
    " WHERE number = $1 AND id = $2 RETURNING 1"
);
pub const FORGET_FAILED: Each = each!(
    "DELETE FROM ",
    "queue_ticket",
    " WHERE number = $1 AND failed RETURNING 1"
);
pub const GIVE: Each = each!(
    "INSERT INTO ",
    "queue_ticket",
    " (number, n, id, qid, failed) VALUES ($1, $2, $3, $4, false)"
);
pub const TICKETS: &str = "SELECT n, failed FROM strata.queue_ticket_a WHERE number = $1 \
    UNION ALL SELECT n, failed FROM strata.queue_ticket_b WHERE number = $1";
pub const LIMIT: &str = "SELECT max_running FROM strata.queue_limit WHERE number = $1";
pub const OLDEST: &str = "SELECT id FROM ((SELECT id FROM strata.queue_held_a WHERE seq = $1 AND state = 'g' ORDER BY id LIMIT $2) \
    UNION ALL (SELECT id FROM strata.queue_held_b WHERE seq = $1 AND state = 'g' ORDER BY id LIMIT $2)) h ORDER BY id LIMIT $2";
/// Never waits: a job that somebody has locked is not returned.
pub const TAKE: Each = Each {
    a: "DELETE FROM strata.queue_held_a WHERE ctid = (SELECT ctid FROM strata.queue_held_a \
        WHERE seq = $1 AND id = $2 AND state = 'g' FOR UPDATE SKIP LOCKED) RETURNING *",
    b: "DELETE FROM strata.queue_held_b WHERE ctid = (SELECT ctid FROM strata.queue_held_b \
        WHERE seq = $1 AND id = $2 AND state = 'g' FOR UPDATE SKIP LOCKED) RETURNING *",
};
/// From one group to the next along the index, however many members they have.
macro_rules! all {
    ($table:literal) => {
        concat!(
            "WITH RECURSIVE g AS ((SELECT seq, qid FROM ", $table, " WHERE state = 'g' AND seq > $1 ORDER BY seq LIMIT 1) \
             UNION ALL SELECT n.seq, n.qid FROM g, LATERAL (SELECT h.seq, h.qid FROM ", $table, " h \
             WHERE h.state = 'g' AND h.seq > g.seq ORDER BY h.seq LIMIT 1) n), \
             f AS MATERIALIZED (SELECT seq, qid FROM g LIMIT $2), \
             s AS (SELECT f.seq, q.* FROM f LEFT JOIN strata.queue_stream t ON t.qid = f.qid \
             JOIN strata.queue q ON q.qid = coalesce(t.queue, f.qid)) \
             SELECT s.seq, s.qid, \
             (SELECT count(*) FROM strata.queue_ticket_a t WHERE t.number = s.seq AND (s.group_on_fail = 'hold' OR NOT t.failed)) \
             + (SELECT count(*) FROM strata.queue_ticket_b t WHERE t.number = s.seq AND (s.group_on_fail = 'hold' OR NOT t.failed)) \
             < coalesce((SELECT l.max_running FROM strata.queue_limit l WHERE l.number = s.seq), s.group_limit) FROM s"
        )
    };
}
pub const ALL: Each = Each {
    a: all!("strata.queue_held_a"),
    b: all!("strata.queue_held_b"),
};

pub const SET_LIMIT: &str = "INSERT INTO strata.queue_limit (number, qid, group_key, max_running) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (number) DO UPDATE SET max_running = $4";
pub const FIRST_LIMIT: &str = "INSERT INTO strata.queue_limit (number, qid, group_key, max_running) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (number) DO NOTHING";
pub const NO_LIMIT: &str = "DELETE FROM strata.queue_limit WHERE number = $1";
