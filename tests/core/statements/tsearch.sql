SELECT count(*) FROM test_tsvector WHERE a @@ 'wr|qh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wr&qh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'eq&yt';

SELECT count(*) FROM test_tsvector WHERE a @@ 'eq|yt';

SELECT count(*) FROM test_tsvector WHERE a @@ '(eq&yt)|(wr&qh)';

SELECT count(*) FROM test_tsvector WHERE a @@ '(eq|yt)&(wr|qh)';

SELECT count(*) FROM test_tsvector WHERE a @@ 'w:*|q:*';

SELECT count(*) FROM test_tsvector WHERE a @@ any ('{wr,qh}');

SELECT count(*) FROM test_tsvector WHERE a @@ 'no_such_lexeme';

SELECT count(*) FROM test_tsvector WHERE a @@ '!no_such_lexeme';

SELECT count(*) FROM test_tsvector WHERE a @@ 'pl <-> yh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'yh <-> pl';

SELECT count(*) FROM test_tsvector WHERE a @@ 'qe <2> qt';

SELECT count(*) FROM test_tsvector WHERE a @@ '!pl <-> yh';

SELECT count(*) FROM test_tsvector WHERE a @@ '!pl <-> !yh';

SELECT count(*) FROM test_tsvector WHERE a @@ '!yh <-> pl';

SELECT count(*) FROM test_tsvector WHERE a @@ '!qe <2> qt';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(pl <-> yh)';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(yh <-> pl)';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(qe <2> qt)';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wd:A';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wd:D';

SELECT count(*) FROM test_tsvector WHERE a @@ '!wd:A';

SELECT count(*) FROM test_tsvector WHERE a @@ '!wd:D';

SET enable_seqscan=OFF;

SET enable_indexscan=ON;

SET enable_bitmapscan=OFF;

SELECT count(*) FROM test_tsvector WHERE a @@ 'wr|qh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wr&qh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'eq&yt';

SELECT count(*) FROM test_tsvector WHERE a @@ 'eq|yt';

SELECT count(*) FROM test_tsvector WHERE a @@ '(eq&yt)|(wr&qh)';

SELECT count(*) FROM test_tsvector WHERE a @@ '(eq|yt)&(wr|qh)';

SELECT count(*) FROM test_tsvector WHERE a @@ 'w:*|q:*';

SELECT count(*) FROM test_tsvector WHERE a @@ any ('{wr,qh}');

SELECT count(*) FROM test_tsvector WHERE a @@ 'no_such_lexeme';

SELECT count(*) FROM test_tsvector WHERE a @@ '!no_such_lexeme';

SELECT count(*) FROM test_tsvector WHERE a @@ 'pl <-> yh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'yh <-> pl';

SELECT count(*) FROM test_tsvector WHERE a @@ 'qe <2> qt';

SELECT count(*) FROM test_tsvector WHERE a @@ '!pl <-> yh';

SELECT count(*) FROM test_tsvector WHERE a @@ '!pl <-> !yh';

SELECT count(*) FROM test_tsvector WHERE a @@ '!yh <-> pl';

SELECT count(*) FROM test_tsvector WHERE a @@ '!qe <2> qt';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(pl <-> yh)';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(yh <-> pl)';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(qe <2> qt)';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wd:A';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wd:D';

SELECT count(*) FROM test_tsvector WHERE a @@ '!wd:A';

SELECT count(*) FROM test_tsvector WHERE a @@ '!wd:D';

SET enable_indexscan=OFF;

SET enable_bitmapscan=ON;

SELECT count(*) FROM test_tsvector WHERE a @@ 'wr|qh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wr&qh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'eq&yt';

SELECT count(*) FROM test_tsvector WHERE a @@ 'eq|yt';

SELECT count(*) FROM test_tsvector WHERE a @@ '(eq&yt)|(wr&qh)';

SELECT count(*) FROM test_tsvector WHERE a @@ '(eq|yt)&(wr|qh)';

SELECT count(*) FROM test_tsvector WHERE a @@ 'w:*|q:*';

SELECT count(*) FROM test_tsvector WHERE a @@ any ('{wr,qh}');

SELECT count(*) FROM test_tsvector WHERE a @@ 'no_such_lexeme';

SELECT count(*) FROM test_tsvector WHERE a @@ '!no_such_lexeme';

SELECT count(*) FROM test_tsvector WHERE a @@ 'pl <-> yh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'yh <-> pl';

SELECT count(*) FROM test_tsvector WHERE a @@ 'qe <2> qt';

SELECT count(*) FROM test_tsvector WHERE a @@ '!pl <-> yh';

SELECT count(*) FROM test_tsvector WHERE a @@ '!pl <-> !yh';

SELECT count(*) FROM test_tsvector WHERE a @@ '!yh <-> pl';

SELECT count(*) FROM test_tsvector WHERE a @@ '!qe <2> qt';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(pl <-> yh)';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(yh <-> pl)';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(qe <2> qt)';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wd:A';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wd:D';

SELECT count(*) FROM test_tsvector WHERE a @@ '!wd:A';

SELECT count(*) FROM test_tsvector WHERE a @@ '!wd:D';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wr|qh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wr&qh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'eq&yt';

SELECT count(*) FROM test_tsvector WHERE a @@ 'eq|yt';

SELECT count(*) FROM test_tsvector WHERE a @@ '(eq&yt)|(wr&qh)';

SELECT count(*) FROM test_tsvector WHERE a @@ '(eq|yt)&(wr|qh)';

SELECT count(*) FROM test_tsvector WHERE a @@ 'w:*|q:*';

SELECT count(*) FROM test_tsvector WHERE a @@ any ('{wr,qh}');

SELECT count(*) FROM test_tsvector WHERE a @@ 'no_such_lexeme';

SELECT count(*) FROM test_tsvector WHERE a @@ '!no_such_lexeme';

SELECT count(*) FROM test_tsvector WHERE a @@ 'pl <-> yh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'yh <-> pl';

SELECT count(*) FROM test_tsvector WHERE a @@ 'qe <2> qt';

SELECT count(*) FROM test_tsvector WHERE a @@ '!pl <-> yh';

SELECT count(*) FROM test_tsvector WHERE a @@ '!pl <-> !yh';

SELECT count(*) FROM test_tsvector WHERE a @@ '!yh <-> pl';

SELECT count(*) FROM test_tsvector WHERE a @@ '!qe <2> qt';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(pl <-> yh)';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(yh <-> pl)';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(qe <2> qt)';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wd:A';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wd:D';

SELECT count(*) FROM test_tsvector WHERE a @@ '!wd:A';

SELECT count(*) FROM test_tsvector WHERE a @@ '!wd:D';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wr|qh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wr&qh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'eq&yt';

SELECT count(*) FROM test_tsvector WHERE a @@ 'eq|yt';

SELECT count(*) FROM test_tsvector WHERE a @@ '(eq&yt)|(wr&qh)';

SELECT count(*) FROM test_tsvector WHERE a @@ '(eq|yt)&(wr|qh)';

SELECT count(*) FROM test_tsvector WHERE a @@ 'w:*|q:*';

SELECT count(*) FROM test_tsvector WHERE a @@ any ('{wr,qh}');

SELECT count(*) FROM test_tsvector WHERE a @@ 'no_such_lexeme';

SELECT count(*) FROM test_tsvector WHERE a @@ '!no_such_lexeme';

SELECT count(*) FROM test_tsvector WHERE a @@ 'pl <-> yh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'yh <-> pl';

SELECT count(*) FROM test_tsvector WHERE a @@ 'qe <2> qt';

SELECT count(*) FROM test_tsvector WHERE a @@ '!pl <-> yh';

SELECT count(*) FROM test_tsvector WHERE a @@ '!pl <-> !yh';

SELECT count(*) FROM test_tsvector WHERE a @@ '!yh <-> pl';

SELECT count(*) FROM test_tsvector WHERE a @@ '!qe <2> qt';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(pl <-> yh)';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(yh <-> pl)';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(qe <2> qt)';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wd:A';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wd:D';

SELECT count(*) FROM test_tsvector WHERE a @@ '!wd:A';

SELECT count(*) FROM test_tsvector WHERE a @@ '!wd:D';

RESET enable_seqscan;

RESET enable_indexscan;

RESET enable_bitmapscan;

SET enable_seqscan=OFF;

SELECT count(*) FROM test_tsvector WHERE a @@ 'wr|qh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wr&qh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'eq&yt';

SELECT count(*) FROM test_tsvector WHERE a @@ 'eq|yt';

SELECT count(*) FROM test_tsvector WHERE a @@ '(eq&yt)|(wr&qh)';

SELECT count(*) FROM test_tsvector WHERE a @@ '(eq|yt)&(wr|qh)';

SELECT count(*) FROM test_tsvector WHERE a @@ 'w:*|q:*';

SELECT count(*) FROM test_tsvector WHERE a @@ any ('{wr,qh}');

SELECT count(*) FROM test_tsvector WHERE a @@ 'no_such_lexeme';

SELECT count(*) FROM test_tsvector WHERE a @@ '!no_such_lexeme';

SELECT count(*) FROM test_tsvector WHERE a @@ 'pl <-> yh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'yh <-> pl';

SELECT count(*) FROM test_tsvector WHERE a @@ 'qe <2> qt';

SELECT count(*) FROM test_tsvector WHERE a @@ '!pl <-> yh';

SELECT count(*) FROM test_tsvector WHERE a @@ '!pl <-> !yh';

SELECT count(*) FROM test_tsvector WHERE a @@ '!yh <-> pl';

SELECT count(*) FROM test_tsvector WHERE a @@ '!qe <2> qt';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(pl <-> yh)';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(yh <-> pl)';

SELECT count(*) FROM test_tsvector WHERE a @@ '!(qe <2> qt)';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wd:A';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wd:D';

SELECT count(*) FROM test_tsvector WHERE a @@ '!wd:A';

SELECT count(*) FROM test_tsvector WHERE a @@ '!wd:D';

SELECT count(*) FROM test_tsvector WHERE a @@ '!qh';

SELECT count(*) FROM test_tsvector WHERE a @@ 'wr' AND a @@ '!qh';

RESET enable_seqscan;

SELECT * FROM ts_stat('SELECT a FROM test_tsvector') ORDER BY ndoc DESC, nentry DESC, word LIMIT 10;

SELECT * FROM ts_stat('SELECT a FROM test_tsvector', 'AB') ORDER BY ndoc DESC, nentry DESC, word;

SELECT COUNT(*) FROM test_tsquery WHERE keyword <  'new <-> york';

SELECT COUNT(*) FROM test_tsquery WHERE keyword <= 'new <-> york';

SELECT COUNT(*) FROM test_tsquery WHERE keyword = 'new <-> york';

SELECT COUNT(*) FROM test_tsquery WHERE keyword >= 'new <-> york';

SELECT COUNT(*) FROM test_tsquery WHERE keyword >  'new <-> york';

SET enable_seqscan=OFF;

SELECT COUNT(*) FROM test_tsquery WHERE keyword <  'new <-> york';

SELECT COUNT(*) FROM test_tsquery WHERE keyword <= 'new <-> york';

SELECT COUNT(*) FROM test_tsquery WHERE keyword = 'new <-> york';

SELECT COUNT(*) FROM test_tsquery WHERE keyword >= 'new <-> york';

SELECT COUNT(*) FROM test_tsquery WHERE keyword >  'new <-> york';

RESET enable_seqscan;

SELECT ts_rewrite('moscow', 'SELECT keyword, sample FROM test_tsquery'::text );

SELECT ts_rewrite('moscow & hotel', 'SELECT keyword, sample FROM test_tsquery'::text );

SELECT ts_rewrite('bar & qq & foo & (new <-> york)', 'SELECT keyword, sample FROM test_tsquery'::text );

SELECT ts_rewrite( 'moscow', 'SELECT keyword, sample FROM test_tsquery');

SELECT ts_rewrite( 'moscow & hotel', 'SELECT keyword, sample FROM test_tsquery');

SELECT ts_rewrite( 'bar & qq & foo & (new <-> york)', 'SELECT keyword, sample FROM test_tsquery');

SELECT ts_rewrite('1 & (2 <-> 3)', 'SELECT keyword, sample FROM test_tsquery'::text );

SELECT ts_rewrite('1 & (2 <2> 3)', 'SELECT keyword, sample FROM test_tsquery'::text );

SELECT ts_rewrite('5 <-> (1 & (2 <-> 3))', 'SELECT keyword, sample FROM test_tsquery'::text );

SELECT ts_rewrite('5 <-> (6 | 8)', 'SELECT keyword, sample FROM test_tsquery'::text );

SELECT keyword FROM test_tsquery WHERE keyword @> 'new';

SELECT keyword FROM test_tsquery WHERE keyword @> 'moscow';

SELECT keyword FROM test_tsquery WHERE keyword <@ 'new';

SELECT keyword FROM test_tsquery WHERE keyword <@ 'moscow';

SELECT ts_rewrite( query, 'SELECT keyword, sample FROM test_tsquery' ) FROM to_tsquery('english', 'moscow') AS query;

SELECT ts_rewrite( query, 'SELECT keyword, sample FROM test_tsquery' ) FROM to_tsquery('english', 'moscow & hotel') AS query;

SELECT ts_rewrite( query, 'SELECT keyword, sample FROM test_tsquery' ) FROM to_tsquery('english', 'bar & qq & foo & (new <-> york)') AS query;

SELECT ts_rewrite( query, 'SELECT keyword, sample FROM test_tsquery' ) FROM to_tsquery('english', 'moscow') AS query;

SELECT ts_rewrite( query, 'SELECT keyword, sample FROM test_tsquery' ) FROM to_tsquery('english', 'moscow & hotel') AS query;

SELECT ts_rewrite( query, 'SELECT keyword, sample FROM test_tsquery' ) FROM to_tsquery('english', 'bar & qq & foo & (new <-> york)') AS query;

SET enable_seqscan=OFF;

SELECT keyword FROM test_tsquery WHERE keyword @> 'new';

SELECT keyword FROM test_tsquery WHERE keyword @> 'moscow';

SELECT keyword FROM test_tsquery WHERE keyword <@ 'new';

SELECT keyword FROM test_tsquery WHERE keyword <@ 'moscow';

SELECT ts_rewrite( query, 'SELECT keyword, sample FROM test_tsquery' ) FROM to_tsquery('english', 'moscow') AS query;

SELECT ts_rewrite( query, 'SELECT keyword, sample FROM test_tsquery' ) FROM to_tsquery('english', 'moscow & hotel') AS query;

SELECT ts_rewrite( query, 'SELECT keyword, sample FROM test_tsquery' ) FROM to_tsquery('english', 'bar & qq & foo & (new <-> york)') AS query;

SELECT ts_rewrite( query, 'SELECT keyword, sample FROM test_tsquery' ) FROM to_tsquery('english', 'moscow') AS query;

SELECT ts_rewrite( query, 'SELECT keyword, sample FROM test_tsquery' ) FROM to_tsquery('english', 'moscow & hotel') AS query;

SELECT ts_rewrite( query, 'SELECT keyword, sample FROM test_tsquery' ) FROM to_tsquery('english', 'bar & qq & foo & (new <-> york)') AS query;

RESET enable_seqscan;

SET default_text_search_config=simple;

SET default_text_search_config=english;

SELECT count(*) FROM test_tsvector WHERE a @@ to_tsquery('345&qwerty');

SELECT count(*) FROM test_tsvector WHERE a @@ to_tsquery('345&qwerty');

SELECT count(*) FROM test_tsvector WHERE a @@ to_tsquery('345&qwerty');

SELECT count(*) FROM test_tsvector WHERE a @@ to_tsquery('345&qwerty');

select * from test_tsquery, to_tsquery('new') q where txtsample @@ q;

select * from test_tsquery, to_tsquery('english', 'new') q where txtsample @@ q;

set enable_seqscan = off;

set enable_seqscan = on;
