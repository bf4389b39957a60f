SELECT c AS cidr, i AS inet FROM INET_TBL;

SELECT i AS inet, host(i), text(i), family(i) FROM INET_TBL;

SELECT c AS cidr, abbrev(c) FROM INET_TBL;

SELECT c AS cidr, broadcast(c),
  i AS inet, broadcast(i) FROM INET_TBL;

SELECT c AS cidr, network(c) AS "network(cidr)",
  i AS inet, network(i) AS "network(inet)" FROM INET_TBL;

SELECT c AS cidr, masklen(c) AS "masklen(cidr)",
  i AS inet, masklen(i) AS "masklen(inet)" FROM INET_TBL;

SELECT c AS cidr, masklen(c) AS "masklen(cidr)",
  i AS inet, masklen(i) AS "masklen(inet)" FROM INET_TBL
  WHERE masklen(c) <= 8;

SELECT c AS cidr, i AS inet FROM INET_TBL
  WHERE c = i;

SELECT i, c,
  i < c AS lt, i <= c AS le, i = c AS eq,
  i >= c AS ge, i > c AS gt, i <> c AS ne,
  i << c AS sb, i <<= c AS sbe,
  i >> c AS sup, i >>= c AS spe,
  i && c AS ovr
  FROM INET_TBL;

SELECT max(i) AS max, min(i) AS min FROM INET_TBL;

SELECT max(c) AS max, min(c) AS min FROM INET_TBL;

SELECT set_masklen(inet(text(i)), 24) FROM INET_TBL;

SET enable_seqscan TO off;

SELECT * FROM inet_tbl WHERE i<<'192.168.1.0/24'::cidr;

SELECT * FROM inet_tbl WHERE i<<='192.168.1.0/24'::cidr;

SELECT * FROM inet_tbl WHERE '192.168.1.0/24'::cidr >>= i;

SELECT * FROM inet_tbl WHERE '192.168.1.0/24'::cidr >> i;

SET enable_seqscan TO on;

SET enable_seqscan TO off;

SELECT * FROM inet_tbl WHERE i << '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i <<= '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i && '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i >>= '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i >> '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i < '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i <= '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i = '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i >= '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i > '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i <> '192.168.1.0/24'::cidr ORDER BY i;

SELECT i FROM inet_tbl WHERE i << '192.168.1.0/24'::cidr ORDER BY i;

SET enable_seqscan TO on;

SET enable_seqscan TO off;

SELECT * FROM inet_tbl WHERE i << '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i <<= '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i && '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i >>= '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i >> '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i < '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i <= '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i = '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i >= '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i > '192.168.1.0/24'::cidr ORDER BY i;

SELECT * FROM inet_tbl WHERE i <> '192.168.1.0/24'::cidr ORDER BY i;

SELECT i FROM inet_tbl WHERE i << '192.168.1.0/24'::cidr ORDER BY i;

SET enable_seqscan TO on;

SELECT i, ~i AS "~i" FROM inet_tbl;

SELECT i, c, i & c AS "and" FROM inet_tbl;

SELECT i, c, i | c AS "or" FROM inet_tbl;

SELECT i, i + 500 AS "i+500" FROM inet_tbl;

SELECT i, i - 500 AS "i-500" FROM inet_tbl;

SELECT i, c, i - c AS "minus" FROM inet_tbl;

SELECT inet_merge(c, i) FROM INET_TBL;

SELECT inet_merge(c, i) FROM INET_TBL WHERE inet_same_family(c, i);
