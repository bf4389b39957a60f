BEGIN;

CREATE FUNCTION declares_cursor(text)
   RETURNS void
   AS 'DECLARE c CURSOR FOR SELECT stringu1 FROM tenk1 WHERE stringu1 LIKE $1;'
   LANGUAGE SQL;

SELECT declares_cursor('AB%');

ROLLBACK;

BEGIN;

SELECT stringu1 FROM onek WHERE stringu1 = 'DZAAAA';

ROLLBACK;

BEGIN;

SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;

CREATE TABLE cursor (a int);

INSERT INTO cursor VALUES (1);

UPDATE cursor SET a = 2;

COMMIT;

DROP TABLE cursor;

begin;

set default_toast_compression = 'pglz';

commit;

reset default_toast_compression;
