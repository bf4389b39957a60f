-- Settings and rights of queues as users type them. The NOTICE without preload has a test of its own.
SET client_min_messages = warning;
SELECT strata.create_queue('mail');
SELECT strata.create_queue('mail');
SET client_min_messages = notice;
SELECT strata.create_queue('mail', if_not_exists => true);
SET client_min_messages = warning;
\x on
SELECT * FROM strata.queues;
\x off

-- what a queue cannot be
SELECT strata.create_queue(NULL);
SELECT strata.create_queue('');
SELECT strata.create_queue(E'a\nb');
SELECT strata.create_queue(repeat('x', 201));
SELECT strata.create_queue('q', lease => '0');
SELECT strata.create_queue('q', lease => '-1 month');
SELECT strata.create_queue('q', lease => '200 years');
SELECT strata.create_queue('q', max_attempts => 0);
SELECT strata.create_queue('q', max_attempts => 40000);
SELECT strata.create_queue('q', retry_delay => '-1 s');
SELECT strata.create_queue('q', retry_factor => 0.5);
SELECT strata.create_queue('q', retry_factor => 'NaN');
SELECT strata.create_queue('q', retry_max => '-1 s');
SELECT strata.create_queue('q', retry_jitter => 1.5);
SELECT strata.create_queue('q', keep => 'everything');
SELECT strata.create_queue('q', max_ready => 0);
SELECT strata.create_queue('q', group_limit => 0);
SELECT strata.create_queue('q', group_on_fail => 'stop');
SELECT strata.create_queue('q', notify => 'always');
SELECT strata.create_queue('q', notify_channel => '');
SELECT strata.create_queue('q', notify_channel => repeat('x', 64));
SELECT strata.create_queue('q', dead_letter => 'nowhere');
SELECT strata.create_queue('q', dead_letter => 'q');

-- changing
SELECT strata.create_queue('dead');
SELECT strata.alter_queue('mail', lease => '1 min', keep => 'all', dead_letter => 'dead', max_ready => 10,
  group_limit => 3, notify => 'none', retry_jitter => 0);
SELECT lease, keep, dead_letter, max_ready, group_limit, notify, retry_jitter FROM strata.queues WHERE queue = 'mail';
SELECT strata.alter_queue('mail', max_attempts => 9, reset => '{max_ready, lease, notify}');
SELECT lease, max_attempts, keep, dead_letter, max_ready, notify FROM strata.queues WHERE queue = 'mail';
SELECT strata.alter_queue('mail', lease => '1 s', reset => '{lease}');
SELECT strata.alter_queue('mail', reset => '{leese}');
SELECT strata.alter_queue('mail', reset => '{NULL}');
SELECT strata.alter_queue('mail', lease => '0');
SELECT strata.alter_queue('nope', lease => '1 s');
SELECT strata.alter_queue(NULL);
SELECT strata.alter_queue('dead', dead_letter => 'mail');
SELECT strata.alter_queue('dead', rename_to => 'mail');
SELECT strata.alter_queue('dead', rename_to => '');
SELECT strata.alter_queue('dead', rename_to => 'graves');
SELECT queue, dead_letter FROM strata.queues ORDER BY queue;
SELECT strata.queue_push('dead', '1');
SELECT strata.queue_push('graves', '1');

-- dropping
SELECT strata.drop_queue('graves');
SELECT strata.queue_push('graves', '2');
SELECT strata.drop_queue('graves');
SELECT id FROM strata.queue_pop('graves');
SELECT strata.drop_queue('graves');
SELECT strata.drop_queue('graves', force => true);
SELECT queue, dead_letter FROM strata.queues ORDER BY queue;
SELECT strata.create_queue('graves'), strata.create_queue('more', dead_letter => 'graves');
SELECT strata.drop_queue('graves');
SELECT strata.drop_queue('more');
SELECT strata.drop_queue('graves');
SELECT strata.drop_queue('graves');
SET client_min_messages = notice;
SELECT strata.drop_queue('graves', if_exists => true);
SET client_min_messages = warning;

-- pausing
SELECT strata.queue_push('mail', '"a"');
SELECT strata.queue_pause('mail');
SELECT strata.queue_push('mail', '"b"') > 0 AS pushed;
SELECT payload FROM strata.queue_pop('mail');
SELECT paused FROM strata.queues WHERE queue = 'mail';
SELECT strata.queue_resume('mail');
SELECT payload FROM strata.queue_pop('mail', n => 2);
SELECT strata.queue_pause('nope');

-- a ring of its own
SELECT strata.create_queue('own', dedicated => true);
SELECT dedicated FROM strata.queues WHERE queue = 'own';
SELECT strata.queue_push('own', '1') > 0 AS pushed;
SELECT strata.alter_queue('own', dedicated => false);
SELECT count(*) FROM (SELECT strata.queue_complete('own', claim) FROM strata.queue_pop('own')) c;
SELECT count(*) FROM strata.queue_segment WHERE ring > 1;
SELECT strata.alter_queue('own', dedicated => false);
SELECT count(*) FROM strata.queue_segment WHERE ring > 1;
SELECT strata.queue_push('own', '2') > 0 AS pushed;
SELECT payload FROM strata.queue_pop('own');
SELECT strata.drop_queue('own', force => true);

-- rights
CREATE ROLE regress_boss;
CREATE ROLE regress_pusher;
CREATE ROLE regress_team;
CREATE ROLE regress_member IN ROLE regress_team;
SELECT strata.queue_grant('mail', 'regress_pusher', 'push');
SELECT strata.queue_grant('mail', 'regress_team', 'pop', 'read');
SELECT strata.queue_grant('mail', 'regress_team', 'write');
SELECT strata.queue_grant('mail', 'regress_team', NULL);
SELECT strata.queue_grant('mail', 'regress_team', VARIADIC '{}');
SELECT strata.queue_grant('mail', 'regress_nobody', 'pop');
SELECT strata.queue_grant('mail', '1'::regrole, 'pop');
SELECT strata.queue_grant('nope', 'regress_team', 'pop');
SET ROLE regress_pusher;
SELECT strata.queue_push('mail', '"c"') > 0 AS pushed;
SELECT id FROM strata.queue_pop('mail');
SELECT strata.queue_complete('mail', 1);
SELECT id FROM strata.queue_next('mail');
SELECT strata.queue_pause('mail');
SELECT queue FROM strata.queues;
SELECT strata.alter_queue('mail', lease => '1 s');
SELECT strata.drop_queue('mail');
SELECT strata.queue_grant('mail', 'regress_pusher', 'pop');
SELECT strata.queue_push('nope', '1');
SELECT * FROM strata.queue;
SELECT strata.create_queue('mine');
SELECT strata.create_queue('mail');
SET ROLE regress_member;
SELECT strata.queue_push('mail', '1');
SELECT payload FROM strata.queue_pop('mail');
SELECT queue FROM strata.queues;
RESET ROLE;
REVOKE regress_team FROM regress_member;
SET ROLE regress_member;
SELECT payload FROM strata.queue_pop('mail');
RESET ROLE;
SELECT strata.queue_grant('mail', '-', 'push', 'admin');
SET ROLE regress_member;
SELECT strata.queue_push('mail', '1') > 0 AS pushed;
SELECT strata.queue_pause('mail'), strata.queue_resume('mail');
RESET ROLE;
SELECT strata.queue_revoke('mail', '-', 'push', 'admin');
SELECT strata.queue_revoke('mail', 'regress_team', 'pop', 'read', 'admin');
SET ROLE regress_member;
SELECT strata.queue_push('mail', '1');
RESET ROLE;

-- owners
SELECT strata.alter_queue('mail', owner => 'regress_boss');
SELECT format('GRANT CREATE ON DATABASE %I TO regress_boss', current_database()) \gexec
SELECT strata.alter_queue('mail', owner => 'regress_boss');
SET ROLE regress_boss;
SELECT queue, owner FROM strata.queues;
SELECT strata.create_queue('mine');
SELECT strata.alter_queue('mine', owner => 'regress_pusher');
SELECT strata.create_queue('stolen', dead_letter => 'mail');
SELECT strata.drop_queue('mail', force => true);
SELECT strata.drop_queue(queue) FROM strata.queues ORDER BY queue DESC;
RESET ROLE;
SELECT count(*) FROM strata.queue_grant;
-- without queues nothing of them is left
SELECT count(*) FROM strata.queue_segment;
SELECT count(*) FROM pg_class WHERE reloftype = 'strata.queue_row'::regtype AND relname LIKE 'queue\_seg%';
SELECT format('REVOKE CREATE ON DATABASE %I FROM regress_boss', current_database()) \gexec
DROP ROLE regress_boss, regress_pusher, regress_member, regress_team;
