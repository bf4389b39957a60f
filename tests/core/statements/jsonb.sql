SET max_stack_depth = '100kB';

RESET max_stack_depth;

BEGIN;

SET LOCAL TIME ZONE 10.5;

SET LOCAL TIME ZONE -8;

COMMIT;

SELECT count(*) from testjsonb  WHERE j->'array' ? 'bar';

SELECT count(*) from testjsonb  WHERE j->'array' ? '5'::text;

SELECT count(*) from testjsonb  WHERE j->'array' @> '5'::jsonb;

CREATE TEMP TABLE foo (serial_num int, name text, type text);

INSERT INTO foo VALUES (847001,'t15','GE1043');

INSERT INTO foo VALUES (847002,'t16','GE1043');

INSERT INTO foo VALUES (847003,'sub-alpha','GESS90');

INSERT INTO foo VALUES (999999, NULL, 'bar');

SELECT count(*) FROM testjsonb WHERE j @> '{"wait":"CC"}';

SELECT count(*) FROM testjsonb WHERE j @> '{"age":25}';

SELECT count(*) FROM testjsonb WHERE j @> '{"age":25.0}';

SELECT count(*) FROM testjsonb WHERE j ? 'public';

SELECT count(*) FROM testjsonb WHERE j ? 'bar';

SELECT count(*) FROM testjsonb WHERE j ?| ARRAY['public','disabled'];

SELECT count(*) FROM testjsonb WHERE j ?& ARRAY['public','disabled'];

SELECT count(*) FROM testjsonb WHERE j @@ '$.wait == null';

SELECT count(*) FROM testjsonb WHERE j @@ '"CC" == $.wait';

SELECT count(*) FROM testjsonb WHERE j @@ '$.wait == "CC" && true == $.public';

SELECT count(*) FROM testjsonb WHERE j @@ '$.age == 25';

SELECT count(*) FROM testjsonb WHERE j @@ '$.age == 25.0';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($)';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($.public)';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($.bar)';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($.public) || exists($.disabled)';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($.public) && exists($.disabled)';

SELECT count(*) FROM testjsonb WHERE j @? '$.wait ? (@ == null)';

SELECT count(*) FROM testjsonb WHERE j @? '$.wait ? ("CC" == @)';

SELECT count(*) FROM testjsonb WHERE j @? '$ ? (@.wait == "CC" && true == @.public)';

SELECT count(*) FROM testjsonb WHERE j @? '$.age ? (@ == 25)';

SELECT count(*) FROM testjsonb WHERE j @? '$ ? (@.age == 25.0)';

SELECT count(*) FROM testjsonb WHERE j @? '$';

SELECT count(*) FROM testjsonb WHERE j @? '$.public';

SELECT count(*) FROM testjsonb WHERE j @? '$.bar';

SET enable_seqscan = off;

SELECT count(*) FROM testjsonb WHERE j @> '{"wait":"CC"}';

SELECT count(*) FROM testjsonb WHERE j @> '{"age":25}';

SELECT count(*) FROM testjsonb WHERE j @> '{"age":25.0}';

SELECT count(*) FROM testjsonb WHERE j @> '{"array":["foo"]}';

SELECT count(*) FROM testjsonb WHERE j @> '{"array":["bar"]}';

SELECT count(*) FROM testjsonb WHERE j @> '{}';

SELECT count(*) FROM testjsonb WHERE j ? 'public';

SELECT count(*) FROM testjsonb WHERE j ? 'bar';

SELECT count(*) FROM testjsonb WHERE j ?| ARRAY['public','disabled'];

SELECT count(*) FROM testjsonb WHERE j ?& ARRAY['public','disabled'];

SELECT count(*) FROM testjsonb WHERE j @@ '$.wait == null';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($ ? (@.wait == null))';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($.wait ? (@ == null))';

SELECT count(*) FROM testjsonb WHERE j @@ '"CC" == $.wait';

SELECT count(*) FROM testjsonb WHERE j @@ '$.wait == "CC" && true == $.public';

SELECT count(*) FROM testjsonb WHERE j @@ '$.age == 25';

SELECT count(*) FROM testjsonb WHERE j @@ '$.age == 25.0';

SELECT count(*) FROM testjsonb WHERE j @@ '$.array[*] == "foo"';

SELECT count(*) FROM testjsonb WHERE j @@ '$.array[*] == "bar"';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($ ? (@.array[*] == "bar"))';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($.array ? (@[*] == "bar"))';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($.array[*] ? (@ == "bar"))';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($)';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($.public)';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($.bar)';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($.public) || exists($.disabled)';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($.public) && exists($.disabled)';

SELECT count(*) FROM testjsonb WHERE j @? '$.wait ? (@ == null)';

SELECT count(*) FROM testjsonb WHERE j @? '$.wait ? ("CC" == @)';

SELECT count(*) FROM testjsonb WHERE j @? '$ ? (@.wait == "CC" && true == @.public)';

SELECT count(*) FROM testjsonb WHERE j @? '$.age ? (@ == 25)';

SELECT count(*) FROM testjsonb WHERE j @? '$ ? (@.age == 25.0)';

SELECT count(*) FROM testjsonb WHERE j @? '$ ? (@.array[*] == "bar")';

SELECT count(*) FROM testjsonb WHERE j @? '$.array ? (@[*] == "bar")';

SELECT count(*) FROM testjsonb WHERE j @? '$.array[*] ? (@ == "bar")';

SELECT count(*) FROM testjsonb WHERE j @? '$';

SELECT count(*) FROM testjsonb WHERE j @? '$.public';

SELECT count(*) FROM testjsonb WHERE j @? '$.bar';

SELECT count(*) from testjsonb  WHERE j->'array' ? 'bar';

SELECT count(*) from testjsonb  WHERE j->'array' ? '5'::text;

SELECT count(*) from testjsonb  WHERE j->'array' @> '5'::jsonb;

RESET enable_seqscan;

SELECT count(*) FROM (SELECT (jsonb_each(j)).key FROM testjsonb) AS wow;

SELECT key, count(*) FROM (SELECT (jsonb_each(j)).key FROM testjsonb) AS wow GROUP BY key ORDER BY count DESC, key;

SELECT count(distinct j) FROM testjsonb;

SET enable_hashagg = off;

SELECT count(*) FROM (SELECT j FROM (SELECT * FROM testjsonb UNION ALL SELECT * FROM testjsonb) js GROUP BY j) js2;

SET enable_hashagg = on;

SET enable_sort = off;

SELECT count(*) FROM (SELECT j FROM (SELECT * FROM testjsonb UNION ALL SELECT * FROM testjsonb) js GROUP BY j) js2;

SET enable_sort = on;

RESET enable_hashagg;

RESET enable_sort;

SET enable_seqscan = off;

SELECT count(*) FROM testjsonb WHERE j > '{"p":1}';

SET enable_seqscan = off;

SELECT count(*) FROM testjsonb WHERE j @> '{"wait":"CC"}';

SELECT count(*) FROM testjsonb WHERE j @> '{"age":25}';

SELECT count(*) FROM testjsonb WHERE j @> '{"age":25.0}';

SELECT count(*) FROM testjsonb WHERE j @> '{}';

SELECT count(*) FROM testjsonb WHERE j @@ '$.wait == null';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($ ? (@.wait == null))';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($.wait ? (@ == null))';

SELECT count(*) FROM testjsonb WHERE j @@ '"CC" == $.wait';

SELECT count(*) FROM testjsonb WHERE j @@ '$.wait == "CC" && true == $.public';

SELECT count(*) FROM testjsonb WHERE j @@ '$.age == 25';

SELECT count(*) FROM testjsonb WHERE j @@ '$.age == 25.0';

SELECT count(*) FROM testjsonb WHERE j @@ '$.array[*] == "foo"';

SELECT count(*) FROM testjsonb WHERE j @@ '$.array[*] == "bar"';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($ ? (@.array[*] == "bar"))';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($.array ? (@[*] == "bar"))';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($.array[*] ? (@ == "bar"))';

SELECT count(*) FROM testjsonb WHERE j @@ 'exists($)';

SELECT count(*) FROM testjsonb WHERE j @? '$.wait ? (@ == null)';

SELECT count(*) FROM testjsonb WHERE j @? '$.wait ? ("CC" == @)';

SELECT count(*) FROM testjsonb WHERE j @? '$ ? (@.wait == "CC" && true == @.public)';

SELECT count(*) FROM testjsonb WHERE j @? '$.age ? (@ == 25)';

SELECT count(*) FROM testjsonb WHERE j @? '$ ? (@.age == 25.0)';

SELECT count(*) FROM testjsonb WHERE j @? '$ ? (@.array[*] == "bar")';

SELECT count(*) FROM testjsonb WHERE j @? '$.array ? (@[*] == "bar")';

SELECT count(*) FROM testjsonb WHERE j @? '$.array[*] ? (@ == "bar")';

SELECT count(*) FROM testjsonb WHERE j @? '$';

SELECT count(*) FROM testjsonb WHERE j @? '$.public';

SELECT count(*) FROM testjsonb WHERE j @? '$.bar';

RESET enable_seqscan;

set enable_seqscan = on;

set enable_bitmapscan = off;

set enable_seqscan = off;

set enable_bitmapscan = on;

reset enable_seqscan;

reset enable_bitmapscan;
