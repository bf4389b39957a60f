SET standard_conforming_strings TO on;

SET standard_conforming_strings TO off;

RESET standard_conforming_strings;

SET bytea_output TO hex;

SET bytea_output TO escape;

SELECT CAST(f1 AS text) AS "text(char)" FROM CHAR_TBL;

SELECT CAST(f1 AS text) AS "text(varchar)" FROM VARCHAR_TBL;

SELECT CAST(f1 AS char(10)) AS "char(text)" FROM TEXT_TBL;

SELECT CAST(f1 AS char(20)) AS "char(text)" FROM TEXT_TBL;

SELECT CAST(f1 AS char(10)) AS "char(varchar)" FROM VARCHAR_TBL;

SELECT CAST(f1 AS varchar) AS "varchar(text)" FROM TEXT_TBL;

SELECT CAST(f1 AS varchar) AS "varchar(char)" FROM CHAR_TBL;

SELECT * FROM TEXT_TBL WHERE f1 SIMILAR TO '_[_[:alpha:]_]_';

SELECT * FROM TEXT_TBL WHERE f1 SIMILAR TO '%[%[:alnum:]%]%';

SELECT * FROM TEXT_TBL WHERE f1 SIMILAR TO '.[.[:alnum:].].';

SELECT * FROM TEXT_TBL WHERE f1 SIMILAR TO '$[$[:alnum:]$]$';

SELECT * FROM TEXT_TBL WHERE f1 SIMILAR TO '()[([:alnum:](]()';

SELECT * FROM TEXT_TBL WHERE f1 SIMILAR TO '^[^[:alnum:]^[^^][[^^]][\^][[\^]]\^]^';

SELECT * FROM TEXT_TBL WHERE f1 SIMILAR TO '[]%][^]%][^%]%';

SELECT * FROM TEXT_TBL WHERE f1 SIMILAR TO '[^^]^';

SELECT * FROM TEXT_TBL WHERE f1 SIMILAR TO '[|a]%' ESCAPE '|';

SET bytea_output TO hex;

set escape_string_warning = off;

set standard_conforming_strings = off;

set escape_string_warning = on;

set standard_conforming_strings = on;

set standard_conforming_strings = off;

set escape_string_warning = off;

set standard_conforming_strings = on;

set standard_conforming_strings = off;

reset standard_conforming_strings;

SET bytea_output TO escape;
