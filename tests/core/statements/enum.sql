CREATE TYPE rainbow AS ENUM ('red', 'orange', 'yellow', 'green', 'blue', 'purple');

SELECT * FROM enumtest;

SELECT * FROM enumtest WHERE col = 'orange';

SELECT * FROM enumtest WHERE col <> 'orange' ORDER BY col;

SELECT * FROM enumtest WHERE col > 'yellow' ORDER BY col;

SELECT * FROM enumtest WHERE col >= 'yellow' ORDER BY col;

SELECT * FROM enumtest WHERE col < 'green' ORDER BY col;

SELECT * FROM enumtest WHERE col <= 'green' ORDER BY col;

SELECT min(col) FROM enumtest;

SELECT max(col) FROM enumtest;

SELECT max(col) FROM enumtest WHERE col < 'green';

SET enable_seqscan = off;

SET enable_bitmapscan = off;

SELECT * FROM enumtest WHERE col = 'orange';

SELECT * FROM enumtest WHERE col <> 'orange' ORDER BY col;

SELECT * FROM enumtest WHERE col > 'yellow' ORDER BY col;

SELECT * FROM enumtest WHERE col >= 'yellow' ORDER BY col;

SELECT * FROM enumtest WHERE col < 'green' ORDER BY col;

SELECT * FROM enumtest WHERE col <= 'green' ORDER BY col;

SELECT min(col) FROM enumtest;

SELECT max(col) FROM enumtest;

SELECT max(col) FROM enumtest WHERE col < 'green';

SELECT * FROM enumtest WHERE col = 'orange';

RESET enable_seqscan;

RESET enable_bitmapscan;

BEGIN;

SAVEPOINT x;

ROLLBACK TO x;

ROLLBACK TO x;

ROLLBACK TO x;

COMMIT;

DROP TYPE rainbow;
